from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.limits import HANGS, HELD, LATER, SOON
from tests.salesforce.conftest import DATA, FarEnd, Reply, Request, errors

import seil.salesforce.pages as pages_module
from seil.errors import ObjectRejectedError, RequestRejectedError, UnavailableError
from seil.salesforce.bulk import JobFailedError, JobGoneError, QueryJob
from seil.salesforce.decode import CsvBlock, Decoder
from seil.salesforce.org import Org
from seil.salesforce.pages import PageWidenedError
from seil.salesforce.schema import ObjectSchema, parse_describe
from seil.settings import SalesforceSettings

JOB_ID = "750xx000000001AAAQ"
JOB = f"{DATA}/jobs/query/{JOB_ID}"
GONE = Reply(404, errors("NOT_FOUND", "The requested resource does not exist"))
SCHEMA = parse_describe(
    {
        "name": "Order",
        "fields": [
            {"name": "Id", "type": "id"},
            {"name": "Note__c", "type": "textarea"},
            {"name": "TotalAmount", "type": "currency", "precision": 18, "scale": 2},
        ],
    }
)
HEADER = ["Id", "Note__c", "TotalAmount"]
ROWS = [["801a", 'say "hi"\nthere', "12.50"], ["801b", "", ""], ["801c", "NA", "1.0E7"]]
VALUES = [
    {"Id": "801a", "Note__c": 'say "hi"\nthere', "TotalAmount": Decimal("12.50")},
    {"Id": "801b", "Note__c": None, "TotalAmount": None},
    {"Id": "801c", "Note__c": "NA", "TotalAmount": Decimal("10000000.00")},
]


def written(rows: Iterable[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


BODY = written([HEADER, *ROWS])


def result(body: bytes = BODY, rows: int | str = 3, locator: str = "null", **more: Any) -> Reply:
    headers = {
        "Content-Type": "text/csv; charset=UTF-8",
        "Sforce-NumberOfRecords": str(rows),
        "Sforce-Locator": locator,
    }
    return Reply(body=body, headers=headers | more.pop("headers", {}), **more)


def job(state: str, **more: Any) -> Reply:
    return Reply(
        body={
            "id": JOB_ID,
            "operation": "queryAll",
            "object": "Order",
            "createdDate": "2026-11-23T06:00:17.000+0000",
            "state": state,
            "apiVersion": 62.0,
            **more,
        }
    )


def read(
    org: Org, schema: ObjectSchema = SCHEMA, locator: str = "", max_records: int | None = None
) -> list[dict[str, Any]]:
    with org.bulk.page(JOB_ID, locator, schema, max_records=max_records) as page:
        return pa.Table.from_batches(page.batches(), schema=page.schema).to_pylist()


@pytest.mark.parametrize(("deleted", "operation"), [(True, "queryAll"), (False, "query")])
def test_start(far: FarEnd, org: Org, deleted: bool, operation: str) -> None:
    far.on("POST", f"{DATA}/jobs/query", job("UploadComplete"))
    started = org.bulk.start("SELECT Id FROM Order", deleted=deleted)
    assert started == QueryJob(
        id=JOB_ID,
        object="Order",
        state="UploadComplete",
        operation="queryAll",
        api_version="62.0",
    )
    assert not started.is_done
    assert not started.is_failed
    assert far.requests[-1].json == {
        "operation": operation,
        "query": "SELECT Id FROM Order",
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }


@pytest.mark.parametrize("body", [[], {}, {"id": "750"}, {"state": "Open"}, None])
def test_answer_that_is_no_job(far: FarEnd, org: Org, body: Any) -> None:
    far.on("GET", JOB, Reply(body=body))
    with pytest.raises(UnavailableError, match="does not describe a query job"):
        org.bulk.info(JOB_ID)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (GONE, "no longer exists"),
        (Reply(410), "no longer exists"),
        (Reply(409, errors("INVALID", "version")), "belongs to another API version"),
    ],
    ids=["404", "410", "409"],
)
def test_job_that_is_gone(far: FarEnd, org: Org, reply: Reply, words: str) -> None:
    far.on("GET", f"{JOB}(/results)?", reply)
    with pytest.raises(JobGoneError, match=f"query job {JOB_ID}: {words}. The next `seil run`"):
        org.bulk.info(JOB_ID)
    with pytest.raises(JobGoneError, match=words):
        read(org)


def test_other_refusals_of_a_job_stay_what_they_are(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", Reply(400, errors("INVALIDJOBSTATE", "not complete")))
    with pytest.raises(RequestRejectedError, match="INVALIDJOBSTATE: not complete"):
        read(org)


def test_wait_polls_often_at_first(far: FarEnd, org: Org, pauses: list[float]) -> None:
    states = ["UploadComplete", "InProgress", "Odd new state", *["InProgress"] * 6]
    far.on(
        "GET",
        JOB,
        *[job(s, numberRecordsProcessed=n) for n, s in enumerate(states)],
        job("JobComplete", numberRecordsProcessed=42),
    )
    seen: list[int | None] = []
    done = org.bulk.wait(JOB_ID, poll=0.5, timeout=HANGS, on_poll=lambda j: seen.append(j.rows))
    assert (done.is_done, done.rows) == (True, 42)
    assert seen == [*range(9), 42]
    assert pauses[0] == 0.1
    assert sorted(pauses) == pauses
    assert pauses[-1] == 0.5


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        ("Failed", "Retried more than 15 times", "FAILED"),
        ("Failed", "InvalidBatch : Field name not found : X", "FAILED"),
        ("Failed", "QUERY_TIMEOUT: Your query request was running for too long.", "QUERY_TIMEOUT"),
        ("Aborted", "", "ABORTED"),
    ],
)
def test_wait_for_a_job_that_fails(
    far: FarEnd, org: Org, state: str, message: str, code: str
) -> None:
    far.on("GET", JOB, job(state, errorMessage=message))
    with pytest.raises(JobFailedError) as caught:
        org.bulk.wait(JOB_ID, poll=1, timeout=HANGS)
    error = caught.value
    assert (error.object_name, error.code, error.job.state) == ("Order", code, state)
    reason = message or "the org gives no reason"
    assert error.message == f"Order: job {JOB_ID} ended as {state}: {reason}"


def test_wait_gives_up(far: FarEnd, settings: SalesforceSettings) -> None:
    far.on("GET", JOB, job("InProgress"))
    with Org(settings) as org, pytest.raises(UnavailableError, match="still InProgress after 0 s"):
        org.bulk.wait(JOB_ID, poll=0.02, timeout=SOON)


def page_list(locators: list[str], **more: Any) -> Reply:
    urls = [{"resultUrl": f"{JOB}/results?locator={locator}"} for locator in locators]
    return Reply(body={"resultPages": urls, "done": not more, **more})


@pytest.mark.parametrize("key", ["nextRecordsUrl", "nextRecordUrl"])
def test_page_locators_follow_the_list(far: FarEnd, org: Org, key: str) -> None:
    def answer(request: Request) -> Reply:
        if "locator" in request.params:
            return page_list(["f", "a%2Bb%3D", "a+b"])
        return page_list(list("abcde"), **{key: f"{JOB}/resultPages?locator=f"})

    far.on("GET", f"{JOB}/resultPages", answer)
    assert org.bulk.page_locators(JOB_ID, max_records=5) == [*"abcdef", "a+b=", "a+b"]


def test_page_locators_of_one_page(far: FarEnd, org: Org) -> None:
    only = {"resultPages": [{"resultUrl": f"{JOB}/results"}], "done": True, "nextRecordsUrl": None}
    far.on("GET", f"{JOB}/resultPages", Reply(body=only), Reply(body={"resultPages": []}))
    assert org.bulk.page_locators(JOB_ID, max_records=5) == [""]
    assert org.bulk.page_locators(JOB_ID, max_records=5) == [""]


@pytest.mark.parametrize(
    "reply",
    [GONE, Reply(400, errors("INVALIDPARAMETER", "maxRecords")), Reply(405), Reply(body={})],
    ids=["404", "400", "405", "other"],
)
def test_page_locators_where_there_are_none(far: FarEnd, org: Org, reply: Reply) -> None:
    far.on("GET", f"{JOB}/resultPages", reply)
    assert org.bulk.page_locators(JOB_ID, max_records=5) is None


@pytest.mark.parametrize(("rows", "locators"), [(5, None), (6, [""]), (None, [""])])
def test_page_locators_of_a_result_that_fits_one_request_are_not_requested(
    far: FarEnd, org: Org, rows: int | None, locators: list[str] | None
) -> None:
    far.on("GET", f"{JOB}/resultPages", page_list([]))
    assert org.bulk.page_locators(JOB_ID, max_records=5, rows=rows) == locators


def test_page_locators_need_version_58(far: FarEnd, settings: SalesforceSettings) -> None:
    with Org(settings.model_copy(update={"api_version": "57.0"})) as org:
        assert org.bulk.page_locators(JOB_ID, max_records=5) is None
    assert far.requests == []


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (GONE, JobGoneError, "no longer exists"),
        (
            page_list(["b"], nextRecordsUrl=f"{JOB}/resultPages?l=2"),
            UnavailableError,
            r"the list of pages of job \S+ is incomplete",
        ),
    ],
    ids=["job gone", "endless"],
)
def test_page_locators_that_break_off(
    far: FarEnd, org: Org, second: Reply, error: type[Exception], message: str
) -> None:
    first = page_list(["a"], nextRecordsUrl=f"{JOB}/resultPages?l=2")
    far.on("GET", f"{JOB}/resultPages", first, second)
    with pytest.raises(error, match=message):
        org.bulk.page_locators(JOB_ID, max_records=5)


@pytest.mark.parametrize(
    "reply",
    [
        result(),
        result(framing="chunked"),
        result(framing="close"),
        result(lower_case=True),
        result(b"\xef\xbb\xbf" + BODY),
        result(BODY.rstrip(b"\n")),
        result(BODY.replace(b'"801b"', b'\0"801\0b"')),
        result(gzip.compress(BODY), headers={"Content-Encoding": "gzip"}, framing="chunked"),
        result(headers={"Content-Type": "text/csv"}),
        result(headers={"Content-Type": "text/csv; charset=ISO-8859-1"}),
        result(written([[n.upper() for n in HEADER], *ROWS])),
        result(written([[*HEADER, "Extra"], *[[*row, "x"] for row in ROWS]])),
        result(written([HEADER[::-1], *[row[::-1] for row in ROWS]])),
        result(framing="chunked", chunks=[BODY[i : i + 7] for i in range(0, len(BODY), 7)]),
        result(BODY.replace(b'","', b'"\t"')),
        result(written([HEADER, *ROWS]).replace(b'"\n"', b'"\r\n"')),
    ],
    ids=[
        "plain",
        "chunked",
        "until close",
        "lower-case headers",
        "byte order mark",
        "no last line end",
        "NULs",
        "gzip",
        "no charset",
        "latin-1",
        "upper-case names",
        "extra column",
        "other order",
        "tiny chunks",
        "tabs",
        "CRLF",
    ],
)
def test_page_in_every_shape(far: FarEnd, org: Org, reply: Reply) -> None:
    far.on("GET", f"{JOB}/results", reply)
    assert read(org) == VALUES


def test_page_in_declared_latin_1(far: FarEnd, org: Org) -> None:
    body = written([HEADER, ["801a", "Zoë £", "1"]]).decode().encode("latin-1")
    declared = {"Content-Type": "text/csv; charset=ISO-8859-1"}
    far.on("GET", f"{JOB}/results", result(body, 1, headers=declared))
    assert read(org)[0]["Note__c"] == "Zoë £"


@pytest.mark.parametrize(
    ("locator", "expected"), [("null", None), ("", None), ("MTAwMDA", "MTAwMDA")]
)
def test_next_locator(far: FarEnd, org: Org, locator: str, expected: str | None) -> None:
    far.on("GET", f"{JOB}/results", result(locator=locator))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert (page.next_locator, page.expected_rows) == (expected, 3)


def test_next_locator_absent(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", Reply(body=BODY, headers={"sforce-numberofrecords": "3"}))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert page.next_locator is None


def test_locator_and_size_are_requested(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", result())
    read(org)
    read(org, locator="a+b=", max_records=500)
    queries = [r.params for r in far.requests if r.method == "GET"]
    assert queries == [{}, {"locator": "a+b=", "maxRecords": "500"}]


@pytest.mark.parametrize(
    "body", [b"", written([HEADER]), written([HEADER]).strip()], ids=["none", "header", "no end"]
)
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_empty_result(far: FarEnd, org: Org, body: bytes, framing: str) -> None:
    far.on("GET", f"{JOB}/results", result(body, 0, framing=framing))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert list(page.batches()) == []
        assert page.schema == SCHEMA.arrow
        assert page.widened == {}


BROKEN = {
    "connection lost": (result(BODY[:-20], claims=len(BODY)), "broke off"),
    "cut in a value": (result(BODY[:-4], framing="close"), "truncated in a row"),
    "cut behind a row": (
        result(written([HEADER, *ROWS[:2]]), framing="close"),
        "3 rows were announced, 2 came",
    ),
    "too many rows": (result(rows=2), "2 rows were announced, 3 came"),
    "no count": (
        Reply(body=BODY, headers={"Content-Type": "text/csv"}),
        "Sforce-NumberOfRecords is missing",
    ),
    "odd count": (result(rows="many"), "Sforce-NumberOfRecords is many"),
    "ragged": (result(BODY + b'"801d","x"\n', 4), "rows of unequal length"),
    "not UTF-8": (result(BODY.replace(b"NA", b"\xff\xfe")), "not UTF-8"),
    "cut gzip": (
        result(gzip.compress(BODY)[:-4], headers={"Content-Encoding": "gzip"}),
        "gzip stream breaks off",
    ),
}


@pytest.mark.parametrize(("reply", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_page_is_to_be_repeated(far: FarEnd, org: Org, reply: Reply, words: str) -> None:
    far.on("GET", f"{JOB}/results", reply, result())
    with pytest.raises(UnavailableError, match=words):
        read(org)
    assert read(org) == VALUES


@pytest.mark.parametrize("body", [b"", b'"Id","Note_'])
def test_page_cut_in_its_header(far: FarEnd, org: Org, body: bytes) -> None:
    far.on("GET", f"{JOB}/results", result(body))
    with pytest.raises(UnavailableError, match="truncated in its header"):
        read(org)


def test_missing_column_is_named(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", result(written([HEADER[:2], *[r[:2] for r in ROWS]])))
    with pytest.raises(ObjectRejectedError, match="Order: the result has no column TotalAmount"):
        read(org)


def test_page_that_falls_silent(far: FarEnd, settings: SalesforceSettings) -> None:
    far.on("GET", f"{JOB}/results", result(BODY[:40], claims=len(BODY), linger=HELD))
    hasty = settings.model_copy(update={"timeout": timedelta(seconds=LATER)})
    with Org(hasty) as org, pytest.raises(UnavailableError, match="broke off: ReadTimeout"):
        read(org)


def test_refusal_that_breaks_off_is_tried_again(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", Reply(400, b"half", claims=99), result())
    assert read(org) == VALUES


def test_session_that_expires_between_pages(far: FarEnd, org: Org) -> None:
    expired = Reply(401, errors("INVALID_SESSION_ID", "Session expired or invalid"))
    far.on("GET", f"{JOB}/results", result(locator="2"), expired, result())
    assert read(org) == read(org, locator="2") == VALUES
    assert far.token == 2


def test_values_that_do_not_fit_widen_the_page(far: FarEnd, org: Org) -> None:
    body = written([HEADER, ["801a", "x", "1.2345"]])
    far.on("GET", f"{JOB}/results", result(body, 1))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert page.schema.field("TotalAmount").type == pa.decimal128(20, 4)
        assert page.widened == {"TotalAmount": "decimal128(18, 2) -> decimal128(20, 4)"}
        (batch,) = page.batches()
        assert batch.schema == page.schema
        assert batch.to_pylist()[0]["TotalAmount"] == Decimal("1.2345")


def crumbled(body: bytes, rows: int) -> Reply:
    """In pieces that are smaller than a block."""
    pieces = [body[i : i + 64] for i in range(0, len(body), 64)]
    return result(b"", rows, framing="chunked", chunks=pieces)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "BLOCK_BYTES", 200)


def many(last: str) -> tuple[bytes, int]:
    rows = [[f"801{n}", "line\n" * (n % 7), f"{n}.25"] for n in range(400)]
    rows[300][2] = "0.12345"
    return written([HEADER, *rows, ["801z", "", last]]), len(rows) + 1


@pytest.mark.usefixtures("small_blocks")
def test_many_blocks_arrive_in_order(far: FarEnd, org: Org) -> None:
    rows = [[f"801{n}", "line\n" * (n % 7), f"{n}.25"] for n in range(900)]
    far.on("GET", f"{JOB}/results", crumbled(written([HEADER, *rows]), 900))
    got = read(org)
    assert [row["Id"] for row in got] == [row[0] for row in rows]
    assert sum(row["TotalAmount"] for row in got) == sum(Decimal(row[2]) for row in rows)


@pytest.mark.usefixtures("small_blocks")
def test_value_far_down_widens_the_repeated_page(far: FarEnd, org: Org) -> None:
    body, rows = many("99999999999999999.5")
    far.on("GET", f"{JOB}/results", crumbled(body, rows))
    with pytest.raises(PageWidenedError, match="wider columns are needed: TotalAmount"):
        read(org)
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        # Both odd values have been seen: one repeat is enough.
        assert page.schema.field("TotalAmount").type == pa.decimal128(22, 5)
        got = pa.Table.from_batches(page.batches(), schema=page.schema)
    assert got.num_rows == rows
    assert got["TotalAmount"].to_pylist()[-1] == Decimal("99999999999999999.5")
    assert got["TotalAmount"].to_pylist()[300] == Decimal("0.12345")


@pytest.mark.usefixtures("small_blocks")
def test_what_a_page_needed_is_forgotten_with_its_job(far: FarEnd, org: Org) -> None:
    body, rows = many("1")
    far.on("GET", f"{JOB}/results", crumbled(body, rows))
    far.on("DELETE", JOB, Reply(204))
    with pytest.raises(PageWidenedError):
        read(org)
    org.bulk.delete(JOB_ID)
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert page.widened == {}


@pytest.mark.usefixtures("small_blocks")
def test_reader_that_stops_midway(far: FarEnd, org: Org) -> None:
    rows = [[f"801{n}", "x", "1"] for n in range(5000)]
    far.on("GET", f"{JOB}/results", crumbled(written([HEADER, *rows]), 5000))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None) as page:
        assert next(page.batches()).num_rows > 0
    far.on("GET", f"{JOB}/results", result())
    assert read(org) == VALUES


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ahead", [1, 4])
def test_blocks_ahead_are_bounded_and_end_with_the_page(
    far: FarEnd, org: Org, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    begun: list[int] = []
    ended: list[int] = []
    decode = Decoder.decode

    def slow(decoder: Decoder, block: CsvBlock) -> list[pa.RecordBatch]:
        begun.append(len(block))
        time.sleep(0.01)
        batch = decode(decoder, block)
        ended.append(len(block))
        return batch

    monkeypatch.setattr(Decoder, "decode", slow)
    rows = [[f"801{n}", "x", "1"] for n in range(5000)]
    far.on("GET", f"{JOB}/results", crumbled(written([HEADER, *rows]), 5000))
    with org.bulk.page(JOB_ID, "", SCHEMA, max_records=None, ahead=ahead) as page:
        batches = page.batches()
        next(batches)
        next(batches)
        # The first of the page, the one in hand, and those ahead of it.
        assert len(begun) <= 2 + ahead
    assert len(begun) == len(ended) <= 2 + ahead


@pytest.mark.usefixtures("small_blocks")
def test_damage_far_down(far: FarEnd, org: Org) -> None:
    body, rows = many("1")
    far.on("GET", f"{JOB}/results", crumbled(body.replace(b'"801350"', b'"801350","oh"'), rows))
    with pytest.raises(UnavailableError, match="rows of unequal length"):
        read(org)


def test_field_of_a_megabyte(far: FarEnd, org: Org) -> None:
    long = "é\U0001f600\n" * 450_000
    body = written([HEADER, ["801a", long, "1"], *ROWS])
    far.on("GET", f"{JOB}/results", result(body, 4))
    assert read(org)[0]["Note__c"] == long


def test_errors_of_the_caller_pass_through(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{JOB}/results", result())
    refused = RequestRejectedError("elsewhere", "NOT_FOUND", "not ours", status=404)
    with (
        pytest.raises(RequestRejectedError, match="not ours"),
        org.bulk.page(JOB_ID, "", SCHEMA, max_records=None),
    ):
        raise refused


def test_abort(far: FarEnd, org: Org) -> None:
    far.on("PATCH", JOB, job("Aborted"))
    org.bulk.abort(JOB_ID)
    assert far.requests[-1].json == {"state": "Aborted"}


@pytest.mark.parametrize(
    "reply", [GONE, Reply(400, errors("INVALIDJOBSTATE", "already completed"))], ids=["404", "400"]
)
def test_abort_of_a_job_that_is_over(
    far: FarEnd, org: Org, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    far.on("PATCH", JOB, reply)
    with caplog.at_level("INFO"):
        org.bulk.abort(JOB_ID)
    assert f"job {JOB_ID} was not aborted" in caplog.text


@pytest.mark.parametrize(
    ("reply", "warned"),
    [
        (Reply(204), False),
        (GONE, False),
        (Reply(429), True),
        (Reply(400, errors("INVALIDJOBSTATE", "still running")), True),
    ],
    ids=["204", "404", "429", "400"],
)
def test_delete_never_fails(
    far: FarEnd, org: Org, reply: Reply, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    far.on("DELETE", JOB, reply)
    org.bulk.delete(JOB_ID)
    assert ("was not deleted" in caplog.text) == warned
    assert len(far.paths("DELETE")) == (2 if reply.status == 429 else 1)

"""REST queries, with stable pages across restarts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.column_metadata import column_metadata
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.rows import Renderer
from seil.sandbox.salesforce.state import ServiceState
from seil.sandbox.salesforce.store import OrgStore, value_list
from seil.sandbox.salesforce.translate import Translation, translate

_FEWEST, _MOST = 200, 2_000
_LOCATOR = re.compile(r"(01g[A-Za-z0-9]{15})-(\d+)")


class Queries:
    """A query's further pages are stored in an Arrow file, a batch per page."""

    def __init__(
        self, store: OrgStore, state: ServiceState, options: OrgOptions, folder: Path
    ) -> None:
        self._store = store
        self._state = state
        self._options = options
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}"
        return [
            OrgRoute("GET", f"{base}/query", self._query),
            OrgRoute("GET", f"{base}/queryAll", self._query_all),
            OrgRoute("GET", f"{base}/query/{{locator}}", self._more),
            OrgRoute("GET", f"{base}/queryAll/{{locator}}", self._more),
        ]

    def expire(self) -> None:
        """Deletes expired pages."""
        before = time.time() - self._options.cursor_lifetime
        for cursor_id in self._state.expire_cursors(before):
            self._file(cursor_id).unlink(missing_ok=True)

    def answer(self, text: str, call: OrgRequest, *, deleted_too: bool) -> dict[str, Any]:
        """The first page. Raises OrgApiError for an invalid query."""
        translation = translate(self._store.objects, soql.parse(text), deleted_too=deleted_too)
        cursor, values = self._store.cursor(), list(translation.values)
        if translation.counted:
            (total,) = cursor.execute(translation.count(), values).fetchall()[0]
            return {"totalSize": total, "done": True, "records": []}
        statement = cursor.execute(translation.select(Renderer.expressions(translation)), values)
        pages = _pages(statement.to_arrow_reader(_MOST), self._page_rows(call))
        first, second = next(pages, None), next(pages, None)
        renderer = Renderer(Renderer.spec(translation))
        records = renderer.records(_rows(first), call.root) if first else []
        if first is None or second is None:
            return {"totalSize": len(records), "done": True, "records": records}
        cursor_id, total = self._keep(translation, first, second, pages)
        return {
            "totalSize": total,
            "done": False,
            "nextRecordsUrl": f"{call.root}/query/{cursor_id}-{first.num_rows}",
            "records": records,
        }

    def records(self, text: str, root: str) -> list[dict[str, Any]]:
        """All records of a query, without pages."""
        translation = translate(self._store.objects, soql.parse(text), deleted_too=False)
        expressions = translation.select(Renderer.expressions(translation))
        rows = self._store.cursor().execute(expressions, list(translation.values)).fetchall()
        return Renderer(Renderer.spec(translation)).records(rows, root)

    def records_by_id(self, text: str, ids: Iterable[str], root: str) -> list[dict[str, Any]]:
        """The records with one of `ids`, of a query without conditions."""
        translation = translate(self._store.objects, soql.parse(text), deleted_too=False)
        every = f"SELECT {Renderer.expressions(translation)} {translation.body}"
        cursor = self._store.cursor()
        with value_list(cursor, ids) as id_list:
            rows = cursor.execute(f"SELECT * FROM ({every}) WHERE c0 IN {id_list}").fetchall()  # noqa: S608  (quoted)
        return Renderer(Renderer.spec(translation)).records(rows, root)

    def _query(self, call: OrgRequest) -> OrgReply:
        return OrgReply(200, self._answer(call, deleted_too=False))

    def _query_all(self, call: OrgRequest) -> OrgReply:
        return OrgReply(200, self._answer(call, deleted_too=True))

    def _answer(self, call: OrgRequest, *, deleted_too: bool) -> dict[str, Any]:
        """With `columns=true` describes the columns without running the query."""
        text = _text(call)
        if call.params.get("columns", "").lower() != "true":
            return self.answer(text, call, deleted_too=deleted_too)
        query = soql.parse(text)
        translation = translate(self._store.objects, query, deleted_too=deleted_too)
        return column_metadata(translation, group_by=bool(query.group))

    def _more(self, call: OrgRequest) -> OrgReply:
        match = _LOCATOR.fullmatch(call.args["locator"])
        cursor = self._state.cursor(match[1]) if match else None
        if (
            not match
            or not cursor
            or cursor["created"] < time.time() - self._options.cursor_lifetime
        ):
            raise OrgApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        with (
            pa.OSFile(str(self._file(match[1])), "rb") as source,
            pa.ipc.open_file(source) as pages,
        ):
            number, inside = divmod(int(match[2]), cursor["page_rows"])
            if inside or number >= pages.num_record_batches:
                raise OrgApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            page = pages.get_batch(number)
        answer = {
            "totalSize": cursor["total"],
            "done": True,
            "records": Renderer(cursor["spec"]).records(_rows(page), call.root),
        }
        reached = int(match[2]) + page.num_rows
        if reached < cursor["total"]:
            answer["done"] = False
            answer["nextRecordsUrl"] = f"{call.root}/query/{match[1]}-{reached}"
        return OrgReply(200, answer)

    def _keep(
        self,
        translation: Translation,
        first: pa.RecordBatch,
        second: pa.RecordBatch,
        rest: Iterator[pa.RecordBatch],
    ) -> tuple[str, int]:
        cursor_id = f"01g{secrets.token_hex(8)[:15]}"
        total = 0
        with (
            pa.OSFile(str(self._file(cursor_id)), "wb") as sink,
            pa.ipc.new_file(sink, first.schema) as file,
        ):
            for page in (first, second, *rest):
                file.write_batch(page)
                total += page.num_rows
        created = time.time()
        cursor = {
            "spec": Renderer.spec(translation),
            "total": total,
            "page_rows": first.num_rows,
            "created": created,
        }
        self._state.add_cursor(cursor_id, cursor, created)
        return cursor_id, total

    def _page_rows(self, call: OrgRequest) -> int:
        request = re.search(r"batchSize\s*=\s*(\d+)", call.headers.get("Sforce-Query-Options", ""))
        if not request:
            return self._options.query_page_rows
        return min(max(int(request[1]), _FEWEST), _MOST)

    def _file(self, cursor_id: str) -> Path:
        return self._folder / f"{cursor_id}.arrow"


def _text(call: OrgRequest) -> str:
    if not (text := call.params.get("q", "")):
        raise OrgApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
    return text


def _rows(page: pa.RecordBatch) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in page.columns), strict=True))


def _pages(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.RecordBatch]:
    """Re-slices the batches to `rows` rows each; the last may be shorter."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in reader:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(waiting)
            yield _single_batch(table.slice(0, rows))
            count -= rows
            waiting = table.slice(rows).to_batches()
    if count:
        yield _single_batch(pa.Table.from_batches(waiting))


def _single_batch(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    return batch

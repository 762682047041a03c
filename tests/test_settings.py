"""Settings: where they come from, what is refused, and that secrets stay where they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from seil.errors import ConfigurationError
from seil.secret import Secret
from seil.settings import Settings, config_file, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SEIL_CONFIG", "SEIL_ENV", "SEIL_SALESFORCE__CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "seil.toml"
    file.write_text(text, "utf-8")
    return file


def problems(path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_defaults_work_on_one_machine(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.lake.url == (tmp_path / "seil-data/lake").as_uri()
    assert settings.feed.url == (tmp_path / "seil-data/feed").as_uri()
    assert settings.warehouse.url == f"duckdb:{tmp_path}/seil-data/warehouse.duckdb"
    assert settings.events.journal == tmp_path / "seil-data/journal.sqlite"
    assert settings.catalog.file is None
    assert settings.salesforce.client_secret == Secret("plain:sandbox-secret")


@pytest.mark.parametrize(
    ("section", "zone", "expected"),
    [
        ("warehouse", "Australia/Sidney", "'Australia/Sidney' is no time zone; did you mean Aust"),
        ("warehouse", "new york", "did you mean America/New_York"),
        ("warehouse", "x", "give its IANA name"),
        ("warehouse", "../etc/passwd", "is no time zone"),
        ("admanager", "AEST", "is no time zone"),
    ],
)
def test_a_time_zone_that_is_none_is_refused(
    tmp_path: Path, section: str, zone: str, expected: str
) -> None:
    (problem,) = problems(written(tmp_path, f'[{section}]\ntime_zone = "{zone}"'))
    assert problem.startswith(f"{section}.time_zone ({tmp_path}/seil.toml, line 2): ")
    assert expected in problem


@pytest.mark.parametrize("zone", ["", "UTC", "Australia/Lord_Howe"])
def test_a_time_zone_is_its_iana_name(tmp_path: Path, zone: str) -> None:
    file = written(tmp_path, f'[warehouse]\ntime_zone = "{zone}"')
    assert load_settings(file).warehouse.time_zone == zone


def test_file_overrides_defaults_and_variables_override_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 'env = "sit"\n[salesforce]\nclient_id = "file"\nusername = "etl"\n')
    monkeypatch.setenv("SEIL_SALESFORCE__CLIENT_ID", "variable")
    settings = load_settings()
    assert (settings.env, settings.salesforce.client_id) == ("sit", "variable")
    assert settings.salesforce.username == "etl"


def test_relative_paths_are_from_the_files_folder(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    file = written(
        folder,
        '[lake]\nurl = "lake"\n[warehouse]\nurl = "duckdb:w.duckdb"\n'
        '[catalog]\nfile = "mine.toml"\n[models]\nfolder = "models"\n'
        '[events]\njournal = "j.sqlite"\n[feed]\nurl = "s3://bucket/feed"\n'
        '[salesforce]\nprivate_key = "file:server.key"\nrefresh_token = "file:/etc/token"\n',
    )
    settings = load_settings(file)
    assert settings.lake.url == (folder / "lake").as_uri()
    assert settings.warehouse.url == f"duckdb:{folder}/w.duckdb"
    assert settings.catalog.file == folder / "mine.toml"
    assert settings.models.folder == folder / "models"
    assert settings.events.journal == folder / "j.sqlite"
    assert settings.feed.url == "s3://bucket/feed"
    assert settings.salesforce.private_key == Secret(f"file:{folder}/server.key")
    assert settings.salesforce.refresh_token == Secret("file:/etc/token")


@pytest.mark.parametrize(
    ("text", "place", "owner"),
    [
        ("[state]\nurl = 'sqlite:seil-data/warehouse.duckdb'", "state.url", "warehouse.url"),
        ("[state]\nurl = 'sqlite:./a/../seil-data/journal.sqlite'", "state.url", "events.journal"),
        ("[state]\nurl = 'sqlite:linked/journal.sqlite'", "state.url", "events.journal"),
        ("[state]\nurl = 'sqlite:twin.sqlite'", "state.url", "events.journal"),
        (
            "[state]\nurl = 'sqlite:seil-data/warehouse.read.duckdb'",
            "state.url",
            "warehouse.publish",
        ),
        ("[events]\njournal = 'seil-data/state.sqlite'", "state.url", "events.journal"),
        ("[events]\njournal = 'seil-data/lake'", "events.journal", "lake.url"),
        ("[events]\njournal = 'seil-data/api/requests.sqlite'", "api.state", "events.journal"),
        ("[warehouse]\nurl = 'duckdb:seil-data/journal.sqlite'", "events.journal", "warehouse.url"),
    ],
)
def test_two_stores_in_one_file_are_refused_under_any_name(
    tmp_path: Path, text: str, place: str, owner: str
) -> None:
    data = tmp_path / "seil-data"
    data.mkdir()
    (tmp_path / "linked").symlink_to(data)
    (data / "journal.sqlite").touch()
    (tmp_path / "twin.sqlite").hardlink_to(data / "journal.sqlite")
    (problem,) = problems(written(tmp_path, text))
    assert problem.startswith(place)
    assert f"is the file of {owner}, too: " in problem


def test_own_catalog_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "objects.toml").write_text("")
    assert load_settings().catalog.file == tmp_path / "objects.toml"


def test_config_file_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_file() is None
    written(tmp_path, "")
    assert config_file() == Path("seil.toml")
    monkeypatch.setenv("SEIL_CONFIG", "other.toml")
    assert config_file() == Path("other.toml")
    assert config_file(Path("given.toml")) == Path("given.toml")


def test_a_missing_file_is_named_with_its_cure() -> None:
    assert problems(Path("no.toml")) == ["no.toml: no such file (create one with `seil init`)"]


@pytest.mark.parametrize("content", [b"env = ", b"\xff\xfe", b"[a\n"], ids=["cut", "bytes", "open"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "seil.toml").write_bytes(content)
    [problem] = problems()
    assert problem.startswith("seil.toml: is not TOML: ")


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    written(
        tmp_path,
        'colour = "red"\n[salesforce]\nlogin = "x"\nclient_secret = "s3cr3t"\ntimeout = "soon"\n'
        "[extract]\nflows = 0\n",
    )
    messages = problems()
    assert [problem.split(":")[0] for problem in messages] == [
        "salesforce.client_secret (seil.toml, line 4)",
        "salesforce.timeout (seil.toml, line 5)",
        "salesforce.login (seil.toml, line 3)",
        "extract.flows (seil.toml, line 7)",
        "colour (seil.toml, line 1)",
    ]
    assert "a secret is a reference: env:NAME, file:PATH or aws:NAME" in messages[0]
    assert "'soon' is not a duration; write 90s, 10m, 1h or 2d" in messages[1]
    assert not any("s3cr3t" in problem for problem in messages)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('env = "Dev/../x"', "env"),
        ('project = "a b"', "project"),
        ('[salesforce]\napi_version = "v162.0"', "salesforce.api_version"),
    ],
)
def test_a_value_must_match_as_a_whole(tmp_path: Path, text: str, place: str) -> None:
    written(tmp_path, text)
    [problem] = problems()
    assert problem.startswith(f"{place} (seil.toml, line ")
    assert "which does not match ^" in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"90s"', timedelta(seconds=90)),
        ('"10m"', timedelta(minutes=10)),
        ('"1h"', timedelta(hours=1)),
        ('"2d"', timedelta(days=2)),
        ("45", timedelta(seconds=45)),
    ],
)
def test_durations(tmp_path: Path, text: str, expected: timedelta) -> None:
    written(tmp_path, f"[salesforce]\ntimeout = {text}\n")
    assert load_settings().salesforce.timeout == expected


def test_a_key_is_remembered_for_longer_than_its_call_lasts(tmp_path: Path) -> None:
    written(tmp_path, '[api]\nidempotency_age = "299s"\n')
    assert problems() == ["api.idempotency_age (seil.toml, line 2): is 299s, less than 5 minutes"]
    written(tmp_path, '[api]\nidempotency_age = "5m"\n')
    assert load_settings().api.idempotency_age == timedelta(minutes=5)


def test_secret_is_read_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "from-variable")
    (tmp_path / "kept").write_text("from-file\n")
    assert Secret("env:KEPT").reveal() == "from-variable"
    assert Secret(f"file:{tmp_path}/kept").reveal() == "from-file"
    assert Secret("plain:a:b").reveal() == "a:b"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:SEIL_NO_SUCH", "env:SEIL_NO_SUCH: this variable is not set"),
        ("file:/no/such/key", "file:/no/such/key: No such file or directory"),
    ],
)
def test_a_missing_secret_is_named(reference: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Secret(reference).reveal()
    assert [str(problem) for problem in caught.value.problems] == [message]


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        ("refresh_token", "`seil login` gets one"),
        ("private_key", "docs/connect-an-org.md shows how to create it"),
        ("client_secret", "put the secret there, or change the reference"),
    ],
)
def test_a_missing_secret_of_a_file_names_its_setting_and_what_to_do(
    tmp_path: Path, setting: str, cure: str
) -> None:
    (tmp_path / "seil.toml").write_text(f'[salesforce]\n{setting} = "file:none"\n')
    secret = getattr(load_settings(tmp_path / "seil.toml").salesforce, setting)
    with pytest.raises(ConfigurationError) as caught:
        secret.reveal()
    reason = f"file:{tmp_path}/none: No such file or directory"
    reasons = [str(problem) for problem in caught.value.problems]
    assert reasons == [f"salesforce.{setting}: {reason} ({cure})"]


@pytest.mark.parametrize(
    "name",
    [
        "lake.url", "feed.url", "events.journal", "catalog.file", "salesforce.token_file",
        "admanager.wsdl_cache", "api.state",
    ],
)  # fmt: skip
def test_an_empty_place_is_not_the_folder_of_the_settings(tmp_path: Path, name: str) -> None:
    section, _, setting = name.partition(".")
    (tmp_path / "seil.toml").write_text(f'[{section}]\n{setting} = ""\n')
    with pytest.raises(ConfigurationError, match="is empty") as caught:
        load_settings(tmp_path / "seil.toml")
    assert [problem.place.partition(" ")[0] for problem in caught.value.problems] == [name]


def test_a_secret_shows_its_place_and_never_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "s3cr3t")
    texts = [repr(Secret("env:KEPT")), str(Secret("plain:s3cr3t")), f"{Secret('file:/etc/key')}"]
    assert texts == ["Secret(env:KEPT)", "Secret(plain:****)", "Secret(file:/etc/key)"]
    settings = Settings.model_validate({"salesforce": {"client_secret": "plain:s3cr3t"}})
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "s3cr3t" not in text


def test_secrets_compare_by_reference() -> None:
    assert Secret("env:A") == Secret("env:A") != Secret("env:B")
    assert len({Secret("env:A"), Secret("env:A")}) == 1
    assert pickle.loads(pickle.dumps(Secret("env:A"))) == Secret("env:A")


def _sections(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def test_every_setting_is_described() -> None:
    for name, section in _sections(Settings):
        assert section.__doc__, name
        for setting, field in section.model_fields.items():
            assert field.description, f"{name}.{setting}"


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEIL_CLIENT_SECRET", "SEIL_ELSE__WHERE", "SALESFORCE__CLIENT_ID"):
        monkeypatch.setenv(name, "theirs")
    assert load_settings().salesforce.client_id == "seil-sandbox"


def test_a_variable_is_read_as_its_setting_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEIL_EXTRACT__FLOWS", "7")
    monkeypatch.setenv("SEIL_SALESFORCE__GZIP", "true")
    monkeypatch.setenv("SEIL_ENV", "sit")
    settings = load_settings()
    assert (settings.extract.flows, settings.salesforce.gzip, settings.env) == (7, True, "sit")


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("SEIL_EXTRACT__FLOWS", "extract.flows"),
        ("SEIL_EXTRACT__FLOW", "extract.flow"),
        ("SEIL_EXTRACT", "extract"),
    ],
)
def test_a_wrong_variable_is_named_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, place: str
) -> None:
    monkeypatch.setenv(variable, "many")
    [problem] = problems()
    assert problem.startswith(f"{place} ({variable}): ")


def test_a_section_that_is_none_is_named_whatever_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEIL_EXTRACT__FLOWS", "7")
    written(tmp_path, 'extract = "many"\n')
    [problem] = problems()
    reason = "is 'many', not a table (write [its name], and its settings below that)"
    assert problem == f"extract (seil.toml, line 1): {reason}"


def test_functions_are_a_table_or_pairs_in_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = "arn:aws:lambda:ap-southeast-2:1:function:x"
    written(tmp_path, '[api.functions]\ngam = "one"\n')
    assert load_settings().api.functions == {"gam": "one"}
    monkeypatch.setenv("SEIL_API__FUNCTIONS", f"gam={arn}, techone=dev-tech1Client,")
    assert load_settings().api.functions == {"gam": arn, "techone": "dev-tech1Client"}


@pytest.mark.parametrize("text", ["gam", "billing=x"])
def test_functions_of_nothing_known_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SEIL_API__FUNCTIONS", text)
    assert problems()[0].startswith("api.functions")


def test_secret_in_secrets_manager_is_named_by_its_place() -> None:
    secret = Secret.parse("aws:dev/tech1/client_credentials#client_secret")
    assert secret.location == "aws:dev/tech1/client_credentials#client_secret"
    assert secret.resolve(Path("/x")) == secret


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[salesforce]\nclient_di = ''", "line 2): is unknown (did you mean client_id?)"),
        ("[salesfroce]\nx = 1", "line 1): is unknown (did you mean salesforce?)"),
        ("[salesforce]\nauth = 'jwtt'", "or 'refresh_token' (did you mean jwt?)"),
        ("[salesforce]\nreserve = 200", "reserve (seil.toml, line 2): is 200, more than 100"),
        ("[salesforce]\nreserve = -1", "is -1, less than 0"),
        ("[extract]\n\n# so many\nflows = '''\nmany'''", "extract.flows (seil.toml, line 4): is"),
        ("[extract]\nflows = 1.5", "is 1.5, not a whole number"),
        ("[salesforce]\ngzip = 'maybe'", "is 'maybe', not true or false"),
        ("[salesforce]\ntimeout = []", "is [], not a duration; write 90s, 10m, 1h or 2d"),
        ("[salesforce]\nlogin_url = 5", "is 5, not text"),
        ("[salesforce]\nprivate_key = 's3cr3t'", "private_key (seil.toml, line 2): a secret is"),
        ("[salesforce]\nclient_secert = 's3cr3t'", "(did you mean client_secret?)"),
        ("[salesforce]\nlogin_url = ['http://me:s3cr3t@host']", "['http://****@host'], not text"),
        ("salesforce.reserve = 200", "salesforce.reserve (seil.toml, line 1): is 200"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_line_value_and_nearest_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    written(tmp_path, text)
    [problem] = problems()
    assert reason in problem
    assert "s3cr3t" not in problem
    assert not any(word in problem for word in ("Input should", "Value error", "Extra inputs"))


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SEIL_SALESFORCE_CLIENT_ID", "SEIL_SALESFORCE__CLIENT_ID"),
        ("SEIL_SALESFROCE__CLIENT_ID", "SEIL_SALESFORCE__CLIENT_ID"),
        ("SEIL_WAREHOUSE_URL", "SEIL_WAREHOUSE__URL"),
    ],
)
def test_a_variable_that_is_nearly_a_settings_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "x")
    reason = f"{variable}: is set, but there is no such setting (did you mean {nearest}?)"
    assert problems() == [reason]


def test_variables_that_nothing_reads_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEIL_KEPT", "SEIL_ELSE__WHERE", "SEIL_CONFIGG"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("SEIL_SALESFORCE__CLIENT_SECRET", "env:SEIL_KEPT")
    unknown = [problem.place for problem in unknown_variables(load_settings())]
    assert unknown == ["SEIL_CONFIGG", "SEIL_ELSE__WHERE"]


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.symlink_to(path)], ids=["folder", "loop"]
)
def test_a_settings_file_that_cannot_be_read_is_named(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "odd.toml")
    [problem] = problems(tmp_path / "odd.toml")
    assert problem.startswith(f"'{tmp_path}/odd.toml': ")


@pytest.mark.parametrize(
    "name",
    [
        *("SALESFORCE__LOGIN_URL", "SALESFORCE__AUDIENCE", "ADMANAGER__ENDPOINT"),
        *("ADMANAGER__SOAP_ENDPOINT", "TECHONE__BASE_URL", "TECHONE__TOKEN_URL"),
        *("API__ISSUER", "API__TOKEN_URL", "API__JWKS_URL", "TRACE__ENDPOINT"),
    ],
)
def test_address_with_a_password_is_refused_without_printing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"SEIL_{name}", "https://user:hunter2@far.example")
    with pytest.raises(ConfigurationError, match="holds a user name or password") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('url = "postgresql://seil:s3cret@db/w"', "set [warehouse] password"),
        ('url = "postgresql://seil@db/w?password=s3cret"', "set [warehouse] password"),
        ('schema_name = "salesforce"', "has schemas of such names itself"),
        ('schema_name = "seil_kept"', "has schemas of such names itself"),
        ('schema_name = "pg_temp"', "has schemas of such names itself"),
        ('schema_name = "public"', "replaces it whole"),
    ],
)
def test_a_warehouse_that_is_unsafe_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(written(tmp_path, f"[warehouse]\n{text}"))
    assert reason in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_a_table_within_a_section_is_resolved_and_set_by_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(
        tmp_path,
        '[warehouse]\nurl = "spark://lakehouse"\n[warehouse.spark]\njars = ["a.jar", "s3://b/b.jar"]\n'
        'secrets = { "spark.a" = "file:token", "spark.b" = "env:SEIL_TOKEN" }\n',
    )
    monkeypatch.setenv("SEIL_WAREHOUSE__SPARK__MASTER", "yarn")
    monkeypatch.setenv("SEIL_WAREHOUSE__SPARK__OPTIONS", "spark.x=1, spark.y=2")
    monkeypatch.setenv("SEIL_TOKEN", "t0p")
    settings = load_settings(file)
    spark = settings.warehouse.spark
    assert (spark.master, spark.options) == ("yarn", {"spark.x": "1", "spark.y": "2"})
    assert spark.location == (tmp_path / "seil-data/iceberg").as_uri()
    assert spark.jars == (str(tmp_path / "a.jar"), "s3://b/b.jar")
    assert spark.secrets["spark.a"] == Secret(f"file:{tmp_path}/token")
    assert unknown_variables(settings) == []
    monkeypatch.setenv("SEIL_WAREHOUSE__SPARK__MASTR", "yarn")
    (problem,) = problems(file)
    assert problem.startswith("warehouse.spark.mastr (SEIL_WAREHOUSE__SPARK__MASTR): ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('url = "spark://10.0.0.1:7077"', "is not spark://<catalog>, a name such as lakehouse"),
        ('url = "spark://seil"', "SEIL has a namespace of that name"),
        ('spark.catalog = "rest"', "set uri to its address"),
        ('spark = { catalog = "glue", location = "/tables" }', "set location to an s3:// URL"),
        ('spark.location = "s3://lake/tables"', "has no atomic rename"),
        ('spark.uri = "https://user:pa55@example.com"', "holds a user name or password"),
    ],
)
def test_a_catalog_that_cannot_work_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (problem,) = problems(written(tmp_path, f"[warehouse]\n{text}"))
    assert problem.startswith("warehouse.")
    assert reason in problem
    assert "pa55" not in problem

"""TechOne."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from seil.durations import Duration
from seil.ports import TECHONE_PORT
from seil.secret import Secret
from seil.settings.section import EndpointUrl, Section, TimeZone


class TechOneSettings(Section):
    """TechOne. The defaults are those of the stand-in: `seil sandbox techone`."""

    base_url: EndpointUrl = Field(
        f"http://127.0.0.1:{TECHONE_PORT}",
        description="CiAnywhere's address; the paths below follow it.",
    )
    token_url: EndpointUrl = Field(
        f"http://127.0.0.1:{TECHONE_PORT}/oauth2/token", description="The OAuth token endpoint."
    )
    client_id: str = Field("seil-sandbox", description="The OAuth client.")
    client_secret: Secret = Field(
        Secret("plain:sandbox-secret"), description="The OAuth client's secret."
    )
    rate_path: str = Field(
        "/Api/RaaS/v1/Reports/AUDUSD", description="The report of exchange rates."
    )
    credit_path: str = Field(
        "/Api/RaaS/v1/Functions/Execute", description="The function that returns a debtor's credit."
    )
    timeout: Duration = Field(timedelta(seconds=20), description="Timeout of a call.")
    attempts: int = Field(3, ge=1, description="Attempts per call, the first included.")
    time_zone: TimeZone = Field(
        "Australia/Sydney",
        description="The business's time zone: a rate has to be valid on its current date.",
    )
    warehouse_url: EndpointUrl = Field(
        f"http://127.0.0.1:{TECHONE_PORT}/Warehouse.asmx",
        description="The SOAP service of TechOne's warehouse, without ?wsdl.",
    )
    warehouse_user: str = Field("sandbox-user", description="The user of the SOAP service.")
    warehouse_password: Secret = Field(
        Secret("plain:sandbox-password"),
        description="Its password; of a JSON secret: aws:dev/tech1/soap#Password.",
    )
    warehouse_config: str = Field("SANDBOX", description="TechOne's Config: the environment.")
    import_function: str = Field(
        "$E1.BI.WHT.DOIMP.WS", description="The function that the user needs to import rows."
    )
    read_function: str = Field(
        "$E1.BI.WHT.DOREAD.WS", description="The function that the user needs to read rows."
    )
    equals: str = Field(
        "=", min_length=1, description="OperatorCode by which a read selects rows of one value."
    )
    import_timeout: Duration = Field(
        timedelta(minutes=5), description="Timeout of an import or a read of the warehouse."
    )

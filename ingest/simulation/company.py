"""The simulated company: Tidewell Instruments. Its departments, what they are asked for, and what each is like.

``deploy/example/company.yaml`` and ``norms.yaml`` describe the same company to crossdesk; a test holds them together.

What a manager should find in the numbers: IT answers fast; Facilities is slow to answer and its work comes back; what
Procurement hands over to Legal lies there for days and half of it is sent back for missing information; what HR (London)
hands over to Payroll (Bengaluru) waits for the next morning, as their hours hardly meet. Since February Controlling takes longer
every week; since 9 March what IT hands over to Procurement lies there, and half of it comes back.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from ingest.simulation.opening import Office
from ingest.simulation.parts import Company, Department, Division, Norm, Pair, Service, Unit

HEAD_OFFICE = Office("Europe/Berlin", "DE-BE", {"mon-fri": "09:00-17:00"})


def _at(*utc: int) -> int:
    return int(datetime(*utc, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


BERLIN_IT = Office(
    "Europe/Berlin",
    "DE-BE",
    {"mon-thu": "08:00-12:00, 13:00-17:00", "fri": "08:00-12:00, 12:30-15:00"},
    later=((date(2026, 2, 2), {"mon-thu": "07:30-12:00, 13:00-17:30", "fri": "07:30-12:00, 12:30-15:30"}),),
    closures=((date(2026, 12, 24), date(2026, 12, 31)),),
    half_days={date(2026, 12, 23): "09:00-12:00"},
)
BERLIN_SITE = Office("Europe/Berlin", "DE-BE", {"mon-fri": "07:00-11:30, 12:00-15:30"})
BERLIN_FINANCE = Office("Europe/Berlin", "DE-BE", {"mon-thu": "09:00-12:30, 13:30-18:00", "fri": "09:00-14:00"})
BERLIN_BUYERS = Office(
    "Europe/Berlin",
    "DE-BE",
    {"mon-fri": "08:30-12:00, 12:45-16:45"},
    closures=((date(2026, 2, 12), date(2026, 2, 13)),),
)
BERLIN = Office("Europe/Berlin", "DE-BE", {"mon-fri": "09:00-12:30, 13:15-17:30"})
LONDON_HR = Office("Europe/London", "GB-ENG", {"mon-fri": "09:00-12:30, 13:30-17:30"})
LONDON_LEGAL = Office("Europe/London", "GB-ENG", {"mon-fri": "09:30-13:00, 14:00-17:30"})
NEW_YORK = Office(
    "America/New_York",
    "US-NY",
    {"mon-fri": "08:30-12:00, 13:00-17:00"},
    half_days={date(2026, 4, 2): "08:30-12:30"},
)
BENGALURU = Office("Asia/Kolkata", "IN-KA", {"mon-fri": "09:30-13:00, 14:00-18:30"})
SINGAPORE = Office("Asia/Singapore", "SG", {"mon-fri": "09:00-12:30, 13:30-18:00"})
SYDNEY = Office("Australia/Sydney", "AU-NSW", {"mon-fri": "08:00-12:00, 12:45-16:30"})
OFFICES = (BERLIN_IT, BERLIN_SITE, BERLIN_FINANCE, BERLIN, LONDON_HR, NEW_YORK, BENGALURU, SINGAPORE, SYDNEY)

DIVISIONS = (
    Division("tidewell", "Tidewell Instruments"),
    Division("operations", "Operations", "tidewell"),
    Division("it", "IT Service", "operations"),
    Division("facilities", "Facilities", "operations"),
    Division("logistics", "Logistics", "operations"),
    Division("production", "Production", "operations", BERLIN_SITE),
    Division("people", "People", "tidewell"),
    Division("hr", "HR Service", "people"),
    Division("payroll", "Payroll", "people"),
    Division("finance", "Finance", "tidewell"),
    Division("payables", "Accounts Payable", "finance"),
    Division("controlling", "Controlling", "finance"),
    Division("commercial", "Commercial", "tidewell"),
    Division("legal", "Legal", "commercial"),
    Division("procurement", "Procurement", "commercial"),
    Division("marketing", "Marketing", "commercial"),
    Division("sales", "Sales", "commercial", BERLIN),
)

UNITS = (
    Unit("IT", "it", BERLIN_IT, 28, 4),
    Unit("Facilities Management", "facilities", BERLIN_SITE, 12, 2),
    Unit("Human Resources", "hr", LONDON_HR, 16, 6),
    Unit("Payroll Bengaluru", "payroll", BENGALURU, 11, 3),
    Unit("Accounts Payable", "payables", NEW_YORK, 18, 5),
    Unit("Controlling", "controlling", BERLIN_FINANCE, 9, 4),
    Unit("Legal", "legal", LONDON_LEGAL, 7, 3),
    Unit("Procurement", "procurement", BERLIN_BUYERS, 14, 7),
    Unit("Logistics Sydney", "logistics", SYDNEY, 13, 3),
    Unit("Marketing", "marketing", BERLIN, 10, 3),
    Unit("Production Berlin", "production", BERLIN_SITE, 180, 14),
    Unit("Production Bengaluru", "production", BENGALURU, 120, 10),
    Unit("Sales Europe", "sales", BERLIN, 60, 14),
    Unit("Sales Americas", "sales", NEW_YORK, 45, 11),
    Unit("Sales Asia Pacific", "sales", SINGAPORE, 20, 5),
)

DEPARTMENTS = (
    Department(
        "it",
        "IT Service",
        "IT",
        ("IT Service Desk", "IT Infrastructure"),
        begin=0.45,
        accept=0.7,
        answer=0.2,
        effort=2.6,
        waits_for=("facilities", 0.03),
        thanked=0.22,
        reopened=0.03,
        norms=(
            Norm(
                "4bh",
                "4bh",
                "3bd",
                {"*": "4bh", "facilities": "3bh"},
                finish={"*": "2bd", "payroll": "1bd"},
                priorities={
                    "first_response": {"urgent": "1bh", "high": "2bh"},
                    "next_response": {"urgent": "2bh"},
                    "resolution": {"urgent": "8bh", "low": "5bd"},
                },
            ),
        ),
    ),
    Department(
        "facilities",
        "Facilities",
        "Facilities Management",
        ("Facilities Desk",),
        begin=2.1,
        accept=2.2,
        answer=0.7,
        effort=7.0,
        spread=1.0,
        asks=0.2,
        vendor=0.24,
        promises=0.16,
        forgets=0.2,
        reopened=0.1,
        thanked=0.08,
        norms=(
            Norm("4bh", "1bd", "5bd", {"*": "4bh"}),
            Norm("6bh", "1bd", "5bd", {"*": "4bh"}, date(2026, 1, 19)),
        ),
    ),
    Department(
        "hr",
        "HR Service",
        "Human Resources",
        ("HR Helpdesk", "HR Operations"),
        begin=1.0,
        accept=1.2,
        answer=0.4,
        effort=4.0,
        asks=0.34,
        thanked=0.2,
        norms=(Norm("6bh", "6bh", "4bd", {"*": "4bh", "it": "3bh"}, finish={"*": "12bh"}),),
    ),
    Department(
        "payroll",
        "Payroll",
        "Payroll Bengaluru",
        ("Payroll Enquiries",),
        begin=1.1,
        accept=1.3,
        answer=0.5,
        effort=5.0,
        promises=0.14,
        norms=(Norm("6bh", "6bh", "5bd", {"*": "4bh", "hr": "4bh"}),),
    ),
    Department(
        "payables",
        "Accounts Payable",
        "Accounts Payable",
        ("Accounts Payable", "Vendor Master Data"),
        begin=1.5,
        accept=1.6,
        answer=0.6,
        effort=6.0,
        asks=0.35,
        vendor=0.08,
        norms=(Norm("1bd", "1bd", "5bd", {"*": "5bh"}),),
    ),
    Department(
        "controlling",
        "Controlling",
        "Controlling",
        ("Controlling Requests",),
        begin=1.3,
        accept=1.4,
        answer=0.5,
        effort=5.0,
        waits_for=("payables", 0.06),
        promises=0.12,
        norms=(Norm("1bd", "1bd", "4bd", {"*": "4bh"}),),
        worse=(date(2026, 2, 2), 0.12),
    ),
    Department(
        "legal",
        "Legal",
        "Legal",
        ("Legal Intake",),
        begin=2.4,
        accept=2.0,
        answer=0.8,
        effort=9.0,
        asks=0.4,
        vendor=0.1,
        thanked=0.1,
        promises=0.15,
        norms=(
            Norm("2bd", "1bd", "8bd", {"*": "1bd", "procurement": "1bd"}),
            Norm("2bd", "1bd", "7bd", {"*": "1bd", "procurement": "6bh"}, date(2026, 3, 16)),
        ),
    ),
    Department(
        "procurement",
        "Procurement",
        "Procurement",
        ("Purchasing Desk", "Strategic Sourcing"),
        begin=1.4,
        accept=1.3,
        answer=0.5,
        effort=6.0,
        vendor=0.16,
        waits_for=("controlling", 0.08),
        promises=0.15,
        norms=(
            Norm(
                "1bd",
                "1bd",
                "8bd",
                {"*": "4bh", "it": "4bh", "legal": "6bh"},
                finish={"*": "3bd", "operations": "2bd"},
                priorities={"first_response": {"urgent": "12bh"}},
            ),
        ),
    ),
    Department(
        "logistics",
        "Logistics",
        "Logistics Sydney",
        ("Shipping Desk", "Customs Desk"),
        begin=1.2,
        accept=1.5,
        answer=0.5,
        effort=5.0,
        vendor=0.2,
        waits_for=("facilities", 0.05),
        promises=0.1,
        norms=(Norm("6bh", "1bd", "4bd", {"*": "4bh", "sales": "3bh"}),),
    ),
    Department(
        "marketing",
        "Marketing",
        "Marketing",
        ("Marketing Requests",),
        begin=1.8,
        accept=1.6,
        answer=0.6,
        effort=8.0,
        asks=0.4,
        promises=0.2,
        norms=(Norm("1bd", "1bd", "10bd", {"*": "1bd"}),),
    ),
)

SERVICES = (
    Service("Account and access", "it", 13, ((0.04, ("hr",)),), bot_solves=0.1),
    Service("Laptop and phone", "it", 8, ((0.3, ("procurement", "it")),)),
    Service("Software licence", "it", 5, ((0.42, ("procurement",)), (0.08, ("procurement", "legal", "procurement")))),
    Service("Network and VPN", "it", 6, second_line=0.6),
    Service("Repair", "facilities", 7, ((0.06, ("procurement",)),)),
    Service("Desk and room", "facilities", 4, ((0.08, ("it",)),)),
    Service("Access badge", "facilities", 3, ((0.15, ("it",)),)),
    Service("Leave and absence", "hr", 7, ((0.16, ("payroll",)),)),
    Service("Salary question", "hr", 5, ((0.75, ("payroll",)),), month=(range(24, 32), 1.7)),
    Service("Employment letter", "hr", 4, ((0.04, ("legal",)),), second_line=0.4),
    Service("New starter", "hr", 2, second_line=0.7, child=("it", 0.8), month=(range(1, 6), 1.6)),
    Service("Payslip", "payroll", 6, ((0.12, ("hr",)),), month=(range(25, 32), 1.9)),
    Service("Expense payout", "payroll", 4, ((0.3, ("payables",)),)),
    Service("Invoice status", "payables", 8, ((0.24, ("procurement",)), (0.06, ("controlling",)))),
    Service("New supplier", "payables", 3, ((0.35, ("procurement", "payables")),), second_line=0.6),
    Service("Cost centre", "controlling", 3, ((0.06, ("payables",)),), month=(range(1, 6), 1.8)),
    Service("Budget release", "controlling", 4, month=(range(1, 8), 1.5)),
    Service("Contract question", "legal", 4),
    Service("Non-disclosure agreement", "legal", 3, ((0.08, ("procurement",)),)),
    Service("Purchase request", "procurement", 7, ((0.25, ("controlling", "procurement")), (0.06, ("payables",)))),
    Service("Shipment", "logistics", 5, ((0.15, ("procurement", "logistics")), (0.05, ("legal",))), second_line=0.3),
    Service("Customs papers", "logistics", 2.5, ((0.2, ("legal", "logistics")),), second_line=0.8),
    Service("Brochure and stand", "marketing", 3.5, ((0.25, ("procurement", "marketing")), (0.1, ("legal",)))),
    Service("Supplier contract", "procurement", 4.5, ((0.8, ("legal", "procurement")),), second_line=0.3),
)

PAIRS = {
    ("procurement", "legal"): Pair(slow=9.0, needs_info=0.45),
    ("hr", "payroll"): Pair(slow=1.7, needs_info=0.15),
    ("it", "procurement"): Pair(needs_info=0.12, wrong=0.08),
    ("payables", "procurement"): Pair(slow=1.4, wrong=0.08),
}

TIDEWELL = Company(
    "Tidewell Instruments",
    HEAD_OFFICE,
    DIVISIONS,
    UNITS,
    DEPARTMENTS,
    SERVICES,
    PAIRS,
    breakdowns=((date(2026, 3, 9), "it", "procurement", Pair(slow=7.0, needs_info=0.4)),),
    moves=((date(2026, 1, 26), "Vendor Master Data", "procurement"),),
    transfers=(
        (date(2026, 1, 14), UNITS[2].people[2], "Human Resources", "Legal"),
        (date(2026, 1, 28), UNITS[0].people[3], "IT", "Procurement"),
        (date(2026, 2, 11), UNITS[10].people[5], "Production Berlin", "Sales Europe"),
    ),
    outages=((_at(2026, 1, 21, 11, 40), _at(2026, 1, 21, 16, 20)),),
)

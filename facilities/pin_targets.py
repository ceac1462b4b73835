"""How a pin names what it holds: a column by its name, a position, a child by what it is."""

POSITION = "position"


def contact_target(type_code: str, index: str) -> str:
    """Return the pin's target of a contact, by its type and blind index."""
    return f"contact:{type_code}:{index}"


def service_target(code: str) -> str:
    """Return the pin's target of a service."""
    return f"service:{code}"


def kind_of(target: str) -> str:
    """Return what a target is, in words that hold no value: "facility name", "contact"."""
    return target.split(":", maxsplit=1)[0].replace("_", " ")

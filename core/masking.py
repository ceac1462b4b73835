def mask_personal(text: str) -> str:
    return text

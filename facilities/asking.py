"""ask_for_help(): who may, and what is written down about it."""

from django.http import HttpRequest

from core.access import Result, log_access
from core.models import User
from core.roles import ACTIONS, IMPORT_USER, Action, may
from facilities.find_help import Answer, Wanted, find_help
from facilities.help_request import HelpRequestError

RESOURCE = "find help personal"  # and neither where nor what: that is about a survivor


def ask_for_help(wanted: Wanted, *, user: User, request: HttpRequest | None = None) -> Answer:
    """Return the answer as a user may see it; personal values that it shows are written down. Raises HelpRequestError."""
    if not may(user, Action.READ):
        log_access(user, "see", RESOURCE, Result.DENIED, request=request)
        raise HelpRequestError(f"{user} may not {ACTIONS[Action.READ]}; ask an administrator for a role that may")
    whole = may(user, Action.WRITE)
    answer = find_help(wanted, whole=whole)
    if whole and answer.personal:
        log_access(user, "see", RESOURCE, request=request, count=answer.personal)
    return answer


def find_user(name: str) -> User:
    """Return the user that a command asks as; raises HelpRequestError."""
    user = User.import_user() if name == IMPORT_USER else User.objects.filter(username=name).first()
    if user is None:
        raise HelpRequestError("there is no user of this name: the list of users is in admin")
    return user

"""The operator's console: pages for people. It knows Flask, and calls the rules that commands call.

To add a page of a noun, say lotteries:

1. `pages/lotteries.py`: a blueprint; register it in `app.py`, and put its line into `menu.py`.

       pages = Blueprint("lotteries", __name__, url_prefix="/lotteries")

       @pages.get("/")
       @allowed(Permission.LOTTERIES_READ)
       def listed() -> ResponseReturnValue:
           state = chosen("state", LOTTERY_STATES)
           with browsing() as session:
               page = lotteries.listed(session, state=state, limit=PAGE_ROWS, cursor=cursor())
           return render_template("lotteries/list.html", listing=listing(page))

   Every route has `@allowed(...)` with a permission of `permissions.py`, and its line in the matrix
   of tests/console/test_permissions.py: without them the console does not start, and a test fails.
   `browsing()` is one read-only moment of the tables with a short statement timeout.
2. `templates/lotteries/list.html`: `{% extends "layout.html" %}`, and the macros of `macros.html`:
   filter bar, table, next and back, facts, badges, amounts, times, ids, forms. The words of a page
   are in its template; what several pages share, and all that Python says, is in `texts.py`.
3. What changes something is a POST through `actions.act()`: it runs once for each form, in one
   transaction with its audit entry, and a refusal of the rule is shown beside its field with 422.
   What calls a provider goes through `actions.act_outside()`. Reading a form: `forms.Form`.

       @pages.post("/<uuid:lottery_id>/close")
       @allowed(Permission.LOTTERIES_CHANGE, fresh_code=True)
       def close(lottery_id: UUID) -> ResponseReturnValue:
           form = Form()
           reason = form.words("reason")

           def effect(session: Session) -> str:
               lotteries.cancel(session, lottery_id)
               return texts.LOTTERY_CLOSED

           entry = Entry("lottery.close", f"lottery:{lottery_id}", reason)
           return act(
               form, entry, effect, to=url_for(".shown", lottery_id=lottery_id),
               refused=lambda: shown(lottery_id, form), field="reason",
           )

   `fresh_code=True` asks for a code of the second factor that is at most ten minutes old: money,
   prices, operators. The Russian name of the action goes into `texts.NAMES`.

It is a process of its own (`python -m console`), and off until there is an operator. How a request
is let in: `access.py`. Why so: docs/adr/0027-console.md.
"""

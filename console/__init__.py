"""The operator's console: pages for people. It knows Flask, and calls the rules that commands call.

To add a page of a noun, as reviews have it:

1. `pages/reviews.py`: a blueprint; register it in `app.py`, and put its line into `menu.py`.

       pages = Blueprint("reviews", __name__, url_prefix="/reviews")

       @pages.get("/")
       @allowed(Permission.REVIEWS_JUDGE)
       def listed() -> ResponseReturnValue:
           state = chosen("state", REVIEW_STATES)
           with browsing() as session:
               page = reviews.listed(session, state=state, limit=PAGE_ROWS, cursor=cursor())
           return render_template("reviews/list.html", listing=listing(page), states=REVIEW_STATES)

   Every route has `@allowed(...)` with a permission of `permissions.py`, and its line in the matrix
   of tests/console/test_permissions.py: without them the console does not start, and a test fails.
   `browsing()` is one read-only moment of the tables with a short statement timeout.
2. `templates/reviews/list.html`: `{% extends "layout.html" %}`, and the macros of `macros.html`:
   filter bar, table, next and back, facts, badges, amounts, times, ids, forms. The words of a page
   are in its template; what several pages share, and all that Python says, is in `texts.py` and in
   the other modules of texts beside it.
3. What changes something is a POST through `actions.act()`: it runs once for each form, in one
   transaction with its audit entry, and a refusal of the rule is shown beside its field with 422.
   What calls a provider goes through `actions.act_outside()`. Reading a form: `forms.Form`.

       @pages.post("/<uuid:review_id>/reject")
       @allowed(Permission.REVIEWS_JUDGE)
       def reject(review_id: UUID) -> ResponseReturnValue:
           form = Form()
           note = form.words("note")

           def effect(session: Session) -> str:
               reviews.reject(session, review_id, note=note)
               return texts.REVIEW_REJECTED

           return act(
               form, Entry("review.reject", f"review:{review_id}", note), effect,
               to=url_for(".next_one"), refused=lambda: _shown(review_id, form), field="note",
           )

   `@allowed(..., fresh_code=True)` asks for a code of the second factor that is at most ten minutes
   old: money, prices, draws, people's data, operators. The Russian name of the action goes into
   `texts.NAMES`.

It is a process of its own (`python -m console`), and off until there is an operator. How a request
is let in: `access.py`. Why so: docs/adr/0027-console.md.
"""

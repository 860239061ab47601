"""The bot «Оживи фото»: what people see of the backend, in Telegram.

It knows the typed client and python-telegram-bot, nothing of the server, and keeps no state of its
own: orders, payments and what has to be told are the backend's, buttons carry what they are about,
and Telegram keeps each update until it has been handled. The journal on disk only says what may
have been sent just before the bot was killed.
"""

"""The rules: tables, no network. Functions take a session first and never commit.

users, registration      users, and how a person becomes one
tariffs                  what rubles buy
catalog                  what a new server offers of both
payments                 an intent as its customer sees it
locked_payments          the row of a payment: found, locked, changed
settlement, clawback     money that arrives, and money that goes back; both reported by events
lost_payments            those whose rows are gone, made again from what a provider kept
inbox                    every event from a provider, once
declines                 what a customer is told of a payment that was not made
ledger, funding          token movements; credits, and the jobs that waited for them
grants, bonuses          tokens given by an operator; one-time rewards
referrals, reviews       what earns rewards
lotteries, draws         entries while a lottery runs; the verifiable draw
jobs, queue              a customer's orders; the same rows as workers see them
people                   users as the operator leafs through them and bans them
search, timeline         one box for everything; what happened to a person
previews                 what an operator's move of money would do
terms, waiting, pace     what an order depends on; how long it will take, and models took
models                   what can be ordered, for what, by which engine
remote_models            engines of providers that a new server knows, with
                         animation_models and restoration_models
remote_queue, attempts   jobs of engines at providers: ordered; each order, step by step
attempt_rows             what a worker gets of an attempt; statements that read and claim
attempt_moves            statements that write attempts
outcomes, fallbacks      how an attempt ends its job; what comes after a failure
engines, breakers        what may be ordered from a provider; when nothing may
results                  what became of each photo of an order, and the order's end
data, media              files, and what they may hold
events, feed, outbox     what the bot is told: written, read by it, sent to it
support                  refunds and help that people ask for
idempotency              one effect for each Idempotency-Key
paging                   lists in pages
"""

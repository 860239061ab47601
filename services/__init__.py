"""The rules. Functions take a session first, never commit and never touch the network.

users, registration      who a person is, and how they become a user
tariffs, catalog         what rubles buy; what a new server offers
payments, payment_rows   an intent as its customer sees it; its row, found and locked
settlement, clawback     money that arrives, and money that goes back; both are told by events
inbox                    every event of a provider, once
ledger, funding          moves of tokens; credits, and the jobs that waited for them
grants, bonuses          tokens by an operator's hand; one-time rewards
referrals, reviews       what earns rewards
lotteries, draws         entries while a lottery runs; the verifiable draw
jobs, queue              orders of a customer; the same rows as workers see them
data, media              files, and what they may hold
idempotency              one effect for each Idempotency-Key
paging                   lists in pages
"""

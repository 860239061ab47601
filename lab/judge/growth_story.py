"""The part of story.py about invitations, bonuses and lotteries."""

from __future__ import annotations

from uuid import UUID

import typed_story
from generated_client import AuthenticatedClient
from generated_client.api.lotteries import (
    lotteries_current,
    lotteries_entry_me,
    lotteries_history,
    lotteries_submit_social,
)
from generated_client.api.referrals import referrals_get_link, referrals_history, referrals_stats
from generated_client.api.reviews import reviews_check
from generated_client.api.subscriptions import subscriptions_check_channel
from generated_client.models import (
    LotteriesSubmitSocialBody,
    Lottery,
    Referral,
    ReferralsGetLinkResponse200,
    ReferralsStatsResponse200,
    ReviewsCheckBody,
    ReviewsCheckResponse200,
    SubscriptionsCheckChannelBody,
    SubscriptionsCheckChannelResponse200,
)


class Growth(typed_story.Typed):
    """Steps of a customer who has invited nobody and won nothing yet."""

    bot: AuthenticatedClient
    telegram_id: str

    def growth(self, user: UUID) -> None:
        """Invitations, a channel, a review."""
        bot = self.bot
        link = referrals_get_link.sync_detailed(client=bot, user_id=user)
        assert self.got(link, 200, ReferralsGetLinkResponse200).ref_link.startswith("https://")
        stats = referrals_stats.sync_detailed(client=bot, user_id=user)
        assert self.got(stats, 200, ReferralsStatsResponse200).total_invited == 0
        assert not self.got_list(
            referrals_history.sync_detailed(client=bot, user_id=user), Referral
        )
        channel = SubscriptionsCheckChannelBody(
            user_id=user, telegram_id=self.telegram_id, channel_username="livephoto_channel"
        )
        checked = subscriptions_check_channel.sync_detailed(client=bot, body=channel)
        assert not self.got(checked, 200, SubscriptionsCheckChannelResponse200).is_member
        channel.channel_username = "elsewhere"
        elsewhere = subscriptions_check_channel.sync_detailed(client=bot, body=channel)
        self.refused(elsewhere, 409, "channel_not_eligible")
        review = reviews_check.sync_detailed(client=bot, body=ReviewsCheckBody(user_id=user))
        assert not self.got(review, 200, ReviewsCheckResponse200).found

    def lottery(self, user: UUID) -> None:
        """No lottery is running."""
        links = LotteriesSubmitSocialBody(user_id=user, social_links=["https://vk.com/wall-1_42"])
        sent = lotteries_submit_social.sync_detailed(client=self.bot, body=links)
        self.refused(sent, 404, "no_current_lottery")
        mine = lotteries_entry_me.sync_detailed(client=self.bot, user_id=user)
        self.refused(mine, 404, "no_current_lottery")
        self.refused(lotteries_current.sync_detailed(client=self.bot), 404, "no_current_lottery")
        assert not self.got_list(lotteries_history.sync_detailed(client=self.bot), Lottery)

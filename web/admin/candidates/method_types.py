"""What kinds of payment methods Stripe's payment method types are, as far as rules for them differ."""

from __future__ import annotations

from collections.abc import Mapping

DEVICE_WALLETS = frozenset({"apple_pay", "google_pay", "samsung_pay"})
"""Wallets that live on a phone; on a desktop most customers cannot use them."""

PAY_LATER = frozenset(
    {
        "affirm", "afterpay_clearpay", "alma", "billie", "capchase_pay", "klarna", "kriya", "mondu", "scalapay",
        "sequra", "sunbit", "zip",
    }
)  # fmt: skip
"""Methods by which goods are paid after they were sent, or in instalments."""

OFFERS = frozenset({"coupon", "discount", "offer", "promotion", "voucher"})
"""Types of candidates that are no payment methods but offers."""

LOCAL: Mapping[str, frozenset[str]] = {
    "AT": frozenset({"eps"}),
    "AU": frozenset({"au_becs_debit", "payto"}),
    "BE": frozenset({"bancontact"}),
    "BR": frozenset({"boleto", "pix"}),
    "CA": frozenset({"acss_debit"}),
    "CH": frozenset({"twint"}),
    "CN": frozenset({"alipay", "wechat_pay"}),
    "DK": frozenset({"mobilepay"}),
    "ES": frozenset({"bizum"}),
    "FI": frozenset({"mobilepay"}),
    "GB": frozenset({"bacs_debit", "pay_by_bank"}),
    "IN": frozenset({"upi"}),
    "IT": frozenset({"satispay"}),
    "JP": frozenset({"konbini", "paypay"}),
    "KR": frozenset({"kakao_pay", "kr_card", "naver_pay", "payco"}),
    "MX": frozenset({"oxxo"}),
    "MY": frozenset({"fpx"}),
    "NL": frozenset({"ideal"}),
    "PL": frozenset({"blik", "p24"}),
    "PT": frozenset({"mb_way", "multibanco"}),
    "SE": frozenset({"swish"}),
    "SG": frozenset({"grabpay", "paynow"}),
    "TH": frozenset({"promptpay"}),
    "US": frozenset({"cashapp", "us_bank_account"}),
}
"""Methods that customers of one country know best, by that country."""

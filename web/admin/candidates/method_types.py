"""Common payment methods, named by Stripe's payment method types, and which of them rules treat alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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


class MethodType(NamedTuple):
    """A common payment method: where and in which currencies it is used; empty: everywhere, all.

    `least` and `most` are typical limits of a payment in minor units by currency.
    """

    type: str
    label: str
    countries: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    least: Mapping[str, int] = MappingProxyType({})
    most: Mapping[str, int] = MappingProxyType({})


KLARNA = (
    "AT", "AU", "BE", "CA", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "IE", "IT", "NL", "NO", "NZ", "PL",
    "PT", "RO", "SE", "US",
)  # fmt: skip

COMMON = (
    MethodType("card", "Card"),
    MethodType("paypal", "PayPal"),
    MethodType("apple_pay", "Apple Pay"),
    MethodType("google_pay", "Google Pay"),
    MethodType("klarna", "Klarna", KLARNA),
    MethodType("sepa_debit", "SEPA Direct Debit", (), ("EUR",)),
    MethodType("bank_transfer", "Bank transfer"),
    MethodType("invoice", "Invoice"),
    MethodType("cash_on_delivery", "Cash on delivery"),
    MethodType("link", "Link"),
    MethodType("amazon_pay", "Amazon Pay"),
    MethodType("samsung_pay", "Samsung Pay"),
    MethodType(
        "affirm",
        "Affirm",
        ("CA", "US"),
        ("CAD", "USD"),
        {"CAD": 5_000, "USD": 5_000},
        {"CAD": 3_000_000, "USD": 3_000_000},
    ),
    MethodType(
        "afterpay_clearpay", "Afterpay / Clearpay", ("AU", "CA", "GB", "NZ", "US"), ("AUD", "CAD", "GBP", "NZD", "USD")
    ),
    MethodType("alipay", "Alipay", ("CN",)),
    MethodType("au_becs_debit", "BECS Direct Debit", ("AU",), ("AUD",)),
    MethodType("acss_debit", "Pre-authorized debit", ("CA",), ("CAD",)),
    MethodType("bacs_debit", "Bacs Direct Debit", ("GB",), ("GBP",)),
    MethodType("bancontact", "Bancontact", ("BE",), ("EUR",)),
    MethodType("bizum", "Bizum", ("ES",), ("EUR",)),
    MethodType("blik", "BLIK", ("PL",), ("PLN",)),
    MethodType("boleto", "Boleto", ("BR",), ("BRL",), {"BRL": 500}, {"BRL": 4_999_999}),
    MethodType("cashapp", "Cash App Pay", ("US",), ("USD",)),
    MethodType("eps", "EPS", ("AT",), ("EUR",)),
    MethodType("fpx", "FPX", ("MY",), ("MYR",), {"MYR": 200}, {"MYR": 3_000_000}),
    MethodType("grabpay", "GrabPay", ("MY", "SG"), ("MYR", "SGD")),
    MethodType("ideal", "iDEAL", ("NL",), ("EUR",)),
    MethodType("kakao_pay", "Kakao Pay", ("KR",), ("KRW",)),
    MethodType("konbini", "Konbini", ("JP",), ("JPY",), {"JPY": 120}, {"JPY": 300_000}),
    MethodType("kr_card", "Korean cards", ("KR",), ("KRW",)),
    MethodType("mb_way", "MB WAY", ("PT",), ("EUR",)),
    MethodType("mobilepay", "MobilePay", ("DK", "FI"), ("DKK", "EUR")),
    MethodType("multibanco", "Multibanco", ("PT",), ("EUR",)),
    MethodType("naver_pay", "Naver Pay", ("KR",), ("KRW",)),
    MethodType("oxxo", "OXXO", ("MX",), ("MXN",), {"MXN": 1_000}, {"MXN": 1_000_000}),
    MethodType("p24", "Przelewy24", ("PL",), ("EUR", "PLN")),
    MethodType("pay_by_bank", "Pay by bank", ("GB",), ("GBP",)),
    MethodType("payco", "PAYCO", ("KR",), ("KRW",)),
    MethodType("paynow", "PayNow", ("SG",), ("SGD",)),
    MethodType("paypay", "PayPay", ("JP",), ("JPY",)),
    MethodType("payto", "PayTo", ("AU",), ("AUD",)),
    MethodType("pix", "Pix", ("BR",), ("BRL",)),
    MethodType("promptpay", "PromptPay", ("TH",), ("THB",)),
    MethodType("satispay", "Satispay", ("IT",), ("EUR",)),
    MethodType("swish", "Swish", ("SE",), ("SEK",)),
    MethodType("twint", "TWINT", ("CH",), ("CHF",)),
    MethodType("upi", "UPI", ("IN",), ("INR",)),
    MethodType("us_bank_account", "ACH Direct Debit", ("US",), ("USD",)),
    MethodType("vipps", "Vipps", ("NO",), ("NOK",)),
    MethodType("wechat_pay", "WeChat Pay", ("CN",)),
)
"""What merchants pick from; their providers may have other countries and limits."""

LOCAL: Mapping[str, frozenset[str]] = {
    country: frozenset(each.type for each in COMMON if country in each.countries and each.type not in PAY_LATER)
    for country in sorted({country for each in COMMON for country in each.countries if each.type not in PAY_LATER})
}
"""Methods that customers of few countries know best, by country."""

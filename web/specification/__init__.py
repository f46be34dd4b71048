"""The paths that the merchant's specification names, beside the API's own."""

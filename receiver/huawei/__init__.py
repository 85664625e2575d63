"""All that is particular to Huawei Cloud Message & SMS."""

"""Target cpu: each part's float graph made int8 by NNCF."""

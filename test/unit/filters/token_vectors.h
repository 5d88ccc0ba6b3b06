/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Written by make_token_vectors.py: keys and tokens for tests; T_NOW is their present. */
#ifndef TEST_UNIT_FILTERS_TOKEN_VECTORS_H
#define TEST_UNIT_FILTERS_TOKEN_VECTORS_H

enum { T_NOW = 1800000000 };

#define T_RSA_JWKS \
    "{\"keys\": [{\"kty\": \"RSA\", \"kid\": \"cf1\", \"alg\": \"RS256\", \"use\": \"sig\", \"n\": \"5XQvI441O_UuUcVeLzA0GmYTW" \
    "YX4MXOah4Myh7vrQ5vX8Z4L9ZTOkulWxdanj5P0YoKfP3gNfa_bF3DutiaJxMS18uzOPU2MYYw41p61KRAoE8mC2txKQZVedkyfa" \
    "7PN-0sD-ReuiLZCLlj8ynYU7Gcu29tS2HgUxttbTtmz5vqTyhfMpOs2RzqdvFZw1o7Z_bVi6hzyfHaOT6Hw4m52dXnW8BLG6vqmk" \
    "EPsZOLsyJMBgTdxA3bLAgQfJrO0NgVVUvYKpbFk0k8AO1VUXf2JF5eAk-VB9UNz8zJbJgXM0qg_iQjHckWYWooVlI12qkWXkSB7A" \
    "nNCBI_-2uj1TAXdBQ\", \"e\": \"AQAB\"}, {\"kty\": \"EC\", \"kid\": \"ec\", \"crv\": \"P-256\", \"use\": \"sig\", \"x\": \"SW9" \
    "LpUShtDy8T-ksaxTPNSjjhar4HEENIC7kj6qGuQI\", \"y\": \"ZukJ7ZF4lXhJ7Sg6SOZ5-WIrqXsb6MtBX3BMZ3t5_r8\"}], \"pu" \
    "blic_cert\": {\"kid\": \"cf1\", \"cert\": \"x\"}, \"public_certs\": []}"

#define T_EC_JWKS \
    "{\"keys\": [{\"kty\": \"EC\", \"kid\": \"iap1\", \"crv\": \"P-256\", \"use\": \"sig\", \"x\": \"SW9LpUShtDy8T-ksaxTPNSjjh" \
    "ar4HEENIC7kj6qGuQI\", \"y\": \"ZukJ7ZF4lXhJ7Sg6SOZ5-WIrqXsb6MtBX3BMZ3t5_r8\"}, {\"kty\": \"RSA\", \"kid\": \"rsa" \
    "\", \"alg\": \"RS256\", \"use\": \"sig\", \"n\": \"5XQvI441O_UuUcVeLzA0GmYTWYX4MXOah4Myh7vrQ5vX8Z4L9ZTOkulWxdanj" \
    "5P0YoKfP3gNfa_bF3DutiaJxMS18uzOPU2MYYw41p61KRAoE8mC2txKQZVedkyfa7PN-0sD-ReuiLZCLlj8ynYU7Gcu29tS2HgUx" \
    "ttbTtmz5vqTyhfMpOs2RzqdvFZw1o7Z_bVi6hzyfHaOT6Hw4m52dXnW8BLG6vqmkEPsZOLsyJMBgTdxA3bLAgQfJrO0NgVVUvYKp" \
    "bFk0k8AO1VUXf2JF5eAk-VB9UNz8zJbJgXM0qg_iQjHckWYWooVlI12qkWXkSB7AnNCBI_-2uj1TAXdBQ\", \"e\": \"AQAB\"}]}"

#define T_EC_PEM \
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESW9LpUShtDy8T+ksaxTPNSjjhar4\nHEENIC7k" \
    "j6qGuQJm6QntkXiVeEntKDpI5nn5Yiupexvoy0FfcExne3n+vw==\n-----END PUBLIC KEY-----\n"

#define T_OTHER_PEM \
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEo0poX4mqrQ0GOc1iOsfmcuPpWtRn\nWfUOkBPu" \
    "ucDsqtptTA8hbtmY4KtidFcsK7nA8fSSypW9ugOv5u4VslsxCA==\n-----END PUBLIC KEY-----\n"

#define T_ARN \
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/door/0123456789abcdef"

#define T_CF \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjog" \
    "ImFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuYmYiOiAxNzk5OTk5OTkwLCAi" \
    "aXNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.TgLBq" \
    "CG6U-qylwh6VkA5lkObxu0rIOGlJ77ymxmkOZ1Y5C2vrxylQcBqzquLUoVE9NDr43FdhJxOmmHDklHBc5LwSSoE9jo7kUGyfUUh7" \
    "VpYYlU5ZRPil140857uR4aYXyFAgDc4-ENIyIUtQFBX0tuLfLVc0LvgZlVpixWsZx57pYhuyYO_ZU6cOOdZv4wJuj4qvIgyv9_0x" \
    "5Iwag6xHH3JMuerap_a0Y_WsfKTNVwC0QFp5GxXxQhaj6iemj0u-L4FJjNHGatO4i4vWVJ78_vESeKl-M8rEPVtpqFRB-JGaN1Xl" \
    "W9fD3FMe287nQqEdUn0xrEXtNFyLwuJO1uMBg"

#define T_CF_OTHER_AUD \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbIm90aGVyLWF1ZCJdLCAiZW1haWwi" \
    "OiAiYUBleGFtcGxlLmNvbSIsICJleHAiOiAxODAwMDAwNjAwLCAiaWF0IjogMTc5OTk5OTk5MCwgIm5iZiI6IDE3OTk5OTk5OTAs" \
    "ICJpc3MiOiAiaHR0cHM6Ly90ZWFtLmNsb3VkZmxhcmVhY2Nlc3MuY29tIiwgInR5cGUiOiAiYXBwIiwgInN1YiI6ICJ1MSJ9.EvT" \
    "vjRTL0mso52tQDM_yfps2I1FZuIM7sD5yshYoGtFbvOx_tk-qKmgimvJKJF835dwW2KkMhg-mU43byGai0hQre_qJSIBFj5cE1yE" \
    "5eH1zkbASJc99Q7CBDPLB49mVL6L8oj9tvuNMp9CXmX4VoXGrvftTS5G893xOjt9dyp8OrXvuo7XWvVs6Wx1oG-d4BzxWGmeDhV4" \
    "CpO2ZE-ycZ_Cf_YX4qEqYs-jYP7XCmX5wlbTram4I-rV6GvvMAH7Exvyk8LCf61tPcNnxmBmWgzTt5lcki0XeJiZc_P0sPJz97aI" \
    "hlOlSiXS62PSd1esjUW5bfa5kj_xPmMbAb1wG-w"

#define T_CF_NO_AUD \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImV4" \
    "cCI6IDE4MDAwMDA2MDAsICJpYXQiOiAxNzk5OTk5OTkwLCAibmJmIjogMTc5OTk5OTk5MCwgImlzcyI6ICJodHRwczovL3RlYW0u" \
    "Y2xvdWRmbGFyZWFjY2Vzcy5jb20iLCAidHlwZSI6ICJhcHAiLCAic3ViIjogInUxIn0.cH3K0u7db1HGOpgj7CbwfzHtHif20AO2" \
    "o_udiNVMt23jgkW6SkZtbFW4kYT4ZUL6X2vv6B19SeFecuM6dAfzi1acvSAxAMUmdXi81V05vjStRX0eChmDZbl413WJj4JBKWZr" \
    "Nnv950TIxAY8hRkLQGtClounKVikSpZfkrDXpki0q7X3V66Fqj5YFlwhBeVhdzHw-uirHvdqIfdv5lGM9tVRLlCukJ_1sqifHd2K" \
    "KblhV7XdjdwukKEq4YKLpcKSroLq5PIhZ4Y75PKmRWiSvvsLkY1Fl3dA_-TDaFSau5pABfFkH5m4QXSRewQSoXtdcML5w2dlyAUb" \
    "iLmYJurFdQ"

#define T_CF_NO_EXP \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjog" \
    "ImFAZXhhbXBsZS5jb20iLCAiaWF0IjogMTc5OTk5OTk5MCwgIm5iZiI6IDE3OTk5OTk5OTAsICJpc3MiOiAiaHR0cHM6Ly90ZWFt" \
    "LmNsb3VkZmxhcmVhY2Nlc3MuY29tIiwgInR5cGUiOiAiYXBwIiwgInN1YiI6ICJ1MSJ9.CIqhe3CZxxchDBw8qd-3gXVLzQcETiB" \
    "V6ag-NTnVHLSbdzq76-_k9_Fp78TAfsQcSeUq9KEqBmho-_Yb77dmyl8OY50DbWh8ALl9sJcGqcduIs1rE-6eA4WX_M4Qdrtdp92" \
    "PFtou6H7EInW63EumhyBnRo_cAWd2_UvzEhroWvqE60eUXysVq0gh52bYLKcHijvkGj1KmFBPE6GYdM0qsqLn5g2Ef99z9XgA2_a" \
    "860069QuHujvmlEgnUw2-iyahpsPr9YoyY9eUG1wMB4pj7HnByInL2bK4EHLD-3QcHIA3S3LvBb38Q8aRJ5ZgL0FXgsz2cxvm5vc" \
    "TNIxk3D-Lxw"

#define T_CF_FUTURE_IAT \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjog" \
    "ImFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE4MDAwMDAzMDAsICJuYmYiOiAxNzk5OTk5OTkwLCAi" \
    "aXNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.awn4g" \
    "XRHuoBKOdB49usS6r2wa6D4f_aA-Axb_ZAjAPp8r1m3V0ftk-CJGtD5M2IDoRdJNUWdYQIjagsOPbnDkR6klzDsSrFYY7EYQL2Ep" \
    "n4wMsw304Xqkc090fGBuylVPwUQ24x_ovFmuqJg1e1y1jYw-THbbRIiVq8vU32XHRs_Hr5SltQPs8NpwB1BQrteWx69rcW1L52Zt" \
    "8-w0I58edD6d_xQqjzYAUsnW9BmnbUF5twSvAdnmQV1pj6NLgJv55AbZ9RyAH3E4zO5G1sRki46G73E5Du-HcjrqZooYZDBx1TKP" \
    "tg5JNgXZ9IkNYaVMrcnX9BegFvLwp8uQMmQzQ"

#define T_CF_FUTURE_NBF \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjog" \
    "ImFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuYmYiOiAxODAwMDAwMzAwLCAi" \
    "aXNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.hjDti" \
    "IOYDE360dUHwJbmGQBMls5GTg5Br1y4RzKAhI6om4Li0laQTnYNjatiaTrvhJ32lwjNVCC-Z2VXfotEEw2HmyLbKJP3ocZvCOKni" \
    "JPDEUFG1cblvNiGoE_Jii178-p_ftm1UNCUcrJQyqqdWsfai_eKBscrDVkmZwgt7pmiPCJeutbGQ1VQNYY4rkDjmaRLGZPnHozhy" \
    "Mj9MpLPYFP0GLdKqwBkH9qnXJGO0bPocJNfVDtlb2EI-QO7C9_0_YFa2FAG4qRaONzb_4P3y20ZDJDiPIqZjCffJpkHKiVyun_6s" \
    "sOJneDqrXdPW4VtGhwuVc4UBuJo6WJ8KS6zLw"

#define T_CF_FORGED \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjog" \
    "ImFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuYmYiOiAxNzk5OTk5OTkwLCAi" \
    "aXNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.RT8Hq" \
    "mYCBlP73lccDPp5Ugn97Hy93h8Wk753mNjb5iegbPjIlSXPMb_n_OGyI-0Ucf0GlOkHBm3RictOY1jZaqz3cXn0n2XoHWWFERmTA" \
    "mRJtmS7gykYgM4iF44ksbbcZv8xQXlfcbs3btpfyZr04tKDp3jzanK4eoWuAByWdZt9sm6_a2R3pw5he3_3fuTSUwljKhTIuJcOz" \
    "kIewMJSN2JvxSpV73zNLdQhqyuy98lxKwdog_96rIFLxZiAAe8pB-5FYNmwrHb50DbO5HXAo1WQiHrgtrAxPenDm4jN1G0wQPLnJ" \
    "Am0g2Xz9FmSKoW9MQ8vWFEuZjrI1pqkeNLk5w"

#define T_CF_ES256 \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImVjIiwgInR5cCI6ICJKV1QifQ.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjogI" \
    "mFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuYmYiOiAxNzk5OTk5OTkwLCAia" \
    "XNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.lRbyKK" \
    "Fn8Tm3b2F6wSHuixWL7cgJnCd7C7S1C-nAI8mMv1r3toKrQONQt91KTN2yrP1aL2dXMDJv09Zun8Lo3A"

#define T_CF_CRIT \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImNmMSIsICJ0eXAiOiAiSldUIiwgImNyaXQiOiBbImV4cCJdfQ.eyJhdWQiOiBbImFwc" \
    "C1hdWQiXSwgImVtYWlsIjogImFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuY" \
    "mYiOiAxNzk5OTk5OTkwLCAiaXNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsI" \
    "CJzdWIiOiAidTEifQ.Ua8Kgpba_CZyQU_qTWXKUVTXDMWpsUcFWwH4MSE2fSjIpT6MV9MITmAq6ISFNRQt0tl_Yr-V6vTphyPBjS" \
    "MfyDdJA9uefw933Biny3XH7EOT8SENAzY7L2zePpnAbrPm7NiDDOBPTsHvl5ZODbLFkwPm2c2eUKsyWPRWxwpfwV09y9ZoNTgMCc" \
    "wpBb1Hr_SOXc-D1vlbJcYuD93FFG_fof5TIE_7_ns5gRaEv3aMYqMj7KldxeA2X62R93Y7WPoPUODK_ZKRvydSSHngmrT-eYl8q-" \
    "FVI49uVLgk1-B1K436ZGhCEbhdUoKCVKG_efcmY0Ur36ktJRaCTv82bMJiRw"

#define T_CF_NONE \
    "eyJhbGciOiAibm9uZSIsICJraWQiOiAiY2YxIiwgInR5cCI6ICJKV1QifQ.eyJhdWQiOiBbImFwcC1hdWQiXSwgImVtYWlsIjogI" \
    "mFAZXhhbXBsZS5jb20iLCAiZXhwIjogMTgwMDAwMDYwMCwgImlhdCI6IDE3OTk5OTk5OTAsICJuYmYiOiAxNzk5OTk5OTkwLCAia" \
    "XNzIjogImh0dHBzOi8vdGVhbS5jbG91ZGZsYXJlYWNjZXNzLmNvbSIsICJ0eXBlIjogImFwcCIsICJzdWIiOiAidTEifQ.AAAA"

#define T_IAP \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImlhcDEiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiAiL3Byb2plY3RzLzEvYXBwcy94Iiw" \
    "gImV4cCI6IDE4MDAwMDA2MDAsICJpYXQiOiAxNzk5OTk5OTkwLCAiaXNzIjogImh0dHBzOi8vY2xvdWQuZ29vZ2xlLmNvbS9pYXA" \
    "iLCAic3ViIjogInUxIn0.bYZGN09adhyrk-8RfWBZcaWRfHjoQHpMoN1_KN6Zz7HrEmgfmd9xLT9EXaTzSZ2wTOKcbWGZA45wVBQ" \
    "AbO19Dw"

#define T_IAP_OTHER_ISS \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImlhcDEiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiAiL3Byb2plY3RzLzEvYXBwcy94Iiw" \
    "gImV4cCI6IDE4MDAwMDA2MDAsICJpYXQiOiAxNzk5OTk5OTkwLCAiaXNzIjogImh0dHBzOi8vYWNjb3VudHMuZ29vZ2xlLmNvbSI" \
    "sICJzdWIiOiAidTEifQ.Pv6WBO3W59iWCmYVmttvcBdBkvh9bwGCnYpNOfqAu4wJpXOcJpMM_qelkS59vYCJlafNcLnSVcP7JbpL" \
    "VdNewQ"

#define T_IAP_OTHER_AUD \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImlhcDEiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiAiL3Byb2plY3RzLzIvYXBwcy94Iiw" \
    "gImV4cCI6IDE4MDAwMDA2MDAsICJpYXQiOiAxNzk5OTk5OTkwLCAiaXNzIjogImh0dHBzOi8vY2xvdWQuZ29vZ2xlLmNvbS9pYXA" \
    "iLCAic3ViIjogInUxIn0.PJBdKpGe-ph-wK2ifTBhTCkWgszJ-eXS15Lc2QoQ5vKN3i126AlKUIv2R_jVnFU1Kaa5PN2R4J6VoVY" \
    "nJ069og"

#define T_IAP_RS256 \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSIsICJ0eXAiOiAiSldUIn0.eyJhdWQiOiAiL3Byb2plY3RzLzEvYXBwcy94Iiwg" \
    "ImV4cCI6IDE4MDAwMDA2MDAsICJpYXQiOiAxNzk5OTk5OTkwLCAiaXNzIjogImh0dHBzOi8vY2xvdWQuZ29vZ2xlLmNvbS9pYXAi" \
    "LCAic3ViIjogInUxIn0.qzZpPAoHrA2MA8uWyT4iV5_dwXd5KTbmUK7Dway1RSKC2itrLic3BPNDBttyVNfpxopY-eBwXDOmVs7P" \
    "oC8Oedrp8ajy33yQpvdTcsxJ2LfqP_5lbfLiYl3LX7mzH6mf-svx2LtasG0GxkWy1R6ck5E36CrKWlyvL6nTROJsYSH7MJuokRe6" \
    "ANEjLNjByWI_EmQF_GEANm6lxfiMIz7lJj8RJZULoyjlpgRbtYud-WOhKgt6ymGlQaliUToS0qw2YxIptnOKuwvs6mknRwdrO8vj" \
    "aTIPoQgCa097Rc7HWr9ijnnMqGPFln6BzEhb9_ErGKdMv-HPiQx0nAXa7tCMpg"

#define T_ALB \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSI" \
    "sICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.coRoO6qTBiTLxVdU9rDAIc" \
    "91n3mxdO6iEJTUAnoUPd6T3Et4xBIweJVH2BS2IpvMYXgMwIotbmUe8NcDoXgvyw=="

#define T_ALB_NO_PAYLOAD_EXP \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEifQ==.5YqaznMVhaD09SbVrtwrxQGjbLcRoP" \
    "w0bd9kbFEN_XD4lgjD56JWxXhYX6TjZhutaNX9QATWFyoSZF7SecfETg=="

#define T_ALB_OTHER_SIGNER \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MjEwOTg3NjU0MzIxOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSI" \
    "sICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.mLwLJkwH6aaI-67yVVZgqS" \
    "h8D-cK_1NQ6QUSZKcz9NtYSAYGzh-7tkbvw0775l0NSiUU1pRbHLFP4SnfyVDEEw=="

#define T_ALB_NO_SIGNER \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJleHAiOiAxODAwMDAwMTIw" \
    "fQ==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSIsICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHB" \
    "zOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.I_cFnmiacF8acXFzdVz4RvOg0EjINzJnKOg5kk9GUD36iA-g2RgoCd_mFjsC_KcV9S" \
    "YY3xK6XaNrwntT6Ht9Xg=="

#define T_ALB_SIGNER_IN_PAYLOAD \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJleHAiOiAxODAwMDAwMTIw" \
    "fQ==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSIsICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHB" \
    "zOi8vaWRwLmV4YW1wbGUuY29tIiwgInNpZ25lciI6ICJhcm46YXdzOmVsYXN0aWNsb2FkYmFsYW5jaW5nOmV1LWNlbnRyYWwtMTo" \
    "xMjM0NTY3ODkwMTI6bG9hZGJhbGFuY2VyL2FwcC9kb29yLzAxMjM0NTY3ODlhYmNkZWYifQ==.q9WQeJrw77mDsGnJQh6K750I8m" \
    "6dEn1zphPUptubC8VP0XMO5GUteYN6mQdisqsAwk5Slx7wia8d-K57AjiOLQ=="

#define T_ALB_NO_EXP \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIn0gIA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSIsICJleHAiOiAxODAwMDAwMTI" \
    "wLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.r6qHGSp_A8tW79xl_aIh8qK6opJh9ylSH4EzUkUa4bTwxG" \
    "i9HC8VFaYtA0a8UTJmjfJ4K7sY4BNvtNK4l_4WSg=="

#define T_ALB_PAYLOAD_EXPIRED \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSI" \
    "sICJleHAiOiAxNzk5OTk5NDAwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.2hI9JjmmrOrRG95Q375Pka" \
    "supiSpZ8gG8mC2f2slVvG6u9R2mBGYhus3RIYiBt6kPalK7EvQSZH01LaT6Wp5sQ=="

#define T_ALB_OTHER_KID \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICI5OTk5OTk5OS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSI" \
    "sICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.8GnVvgcL3XDZ_GyNneX4cM" \
    "RmRiadm2FFqgJhTEY4rcNcbD5h5k3686QKlXGasFy-5-Pv-rDOOmqWLmHiqVaNuA=="

#define T_ALB_NO_KID \
    "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJFUzI1NiIsICJpc3MiOiAiaHR0cHM6Ly9pZHAuZXhhbXBsZS5jb20iLCAiY2xpZW50Ijog" \
    "ImNsaWVudDEiLCAic2lnbmVyIjogImFybjphd3M6ZWxhc3RpY2xvYWRiYWxhbmNpbmc6ZXUtY2VudHJhbC0xOjEyMzQ1Njc4OTAx" \
    "Mjpsb2FkYmFsYW5jZXIvYXBwL2Rvb3IvMDEyMzQ1Njc4OWFiY2RlZiIsICJleHAiOiAxODAwMDAwMTIwfQ==.eyJzdWIiOiAidTE" \
    "iLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSIsICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGU" \
    "uY29tIn0gIA==.maCJCn98VY9iTJ9Zig8hkjXHHObqjwC-p0k_43-3EcWXT7ioAZNrYTSJYWVt6kM87Wbgq9KMfYUDAvUfLIq_2w" \
    "=="

#define T_ALB_FORGED \
    "eyJ0eXAiOiAiSldUIiwgImtpZCI6ICIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCAiYWxnIjogIkVTMjU2" \
    "IiwgImlzcyI6ICJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsICJjbGllbnQiOiAiY2xpZW50MSIsICJzaWduZXIiOiAiYXJuOmF3" \
    "czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTIzNDU2Nzg5MDEyOmxvYWRiYWxhbmNlci9hcHAvZG9vci8wMTIz" \
    "NDU2Nzg5YWJjZGVmIiwgImV4cCI6IDE4MDAwMDAxMjB9IA==.eyJzdWIiOiAidTEiLCAiZW1haWwiOiAiYUBleGFtcGxlLmNvbSI" \
    "sICJleHAiOiAxODAwMDAwMTIwLCAiaXNzIjogImh0dHBzOi8vaWRwLmV4YW1wbGUuY29tIn0gIA==.6HhZ23bYVkGGWkTANy6iE0" \
    "7mx6k84xj7Xe25IdYm_U9oFdMlWX0qwkJizFX3SjfQK64YZCcE-HtnOQ7RBeAnpg=="

#endif

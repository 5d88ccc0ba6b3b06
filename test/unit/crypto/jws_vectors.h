/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Written by make_vectors.py: keys and tokens for tests. */
#ifndef TEST_UNIT_CRYPTO_JWS_VECTORS_H
#define TEST_UNIT_CRYPTO_JWS_VECTORS_H

#define V_JWKS \
    "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"sHSJdWu6MpzPXO9pfjSe79-lUXPgrOE8UnreDpZwlqficf2302UIBEpsR9PtXXAdlPQUU" \
    "lq5h7WVRC-W5s4Ku0op8ykRJmwzxZHwqe8_WUa36d3-5Pr2r1K5Dn4gwY-GoN8WBGevyh5Hp9_uHFWBy_Ji4HMgm40uOgbQ3DUhg" \
    "9XRl1l27Vq_yaCW0XvxLtWs0PrmodON3JiOaKPJIFcs4NzfevNXydMkiJlw0Y44BqA2Ft5LNJelGRwC-5lnfT5gEBjLogEml6ZST" \
    "iXIM44ZBcFvoSJeCH3SjJQXAumtDr9XY81WFig4PE9h54WFStXxK063CiUSI9_4YpV8oXu7mw\", \"e\": \"AQAB\", \"kid\": \"rsa" \
    "\"}, {\"kty\": \"RSA\", \"n\": \"qijYyMAhLqA-qsebH3N8kwOxNORjEHW4qimlh-T5wJaoQETkKJ0h8vARhXPJyjPnBJ1VPKFINi9" \
    "alao2Ga3xSI_qWXzuCof9ph6IfywNW-zSPkeRanGb50h1mp3B91woFuyA3N2tBz0nubpcqJodBn-osvvKiibzkxd7bB3C0OULkkh" \
    "kMx7d3x6lj4MYUEliOoxjPlPZW89AS55GgbfLFTCcWH4br8JleD5hA3JzAbQu3rrAB2d-S_PxMkU8syzBDhwFE2z4wIuuHcxa2ym" \
    "gE-gpLHpTerxisTG6C_1agutiOBltTotxd0DlWM6aF1BxhbcnV_f3o6k9VBaNy9GIVKPi9izS6WKkgSdRxtVv1SDAYbmx67qYXuC" \
    "dZfjemMvDMc5NLCDbNsEPUNiWcjYQJE0DFpR3TDP8_hNwYAy-x0iWbXVuFCH_3tAI9jdS8Cm6f8GE06CqjqNXQ1PbRgFj0x1N3rh" \
    "_t-E1ESR9qUQ2bR7awa1eeFQAlP06tEc3Ui9duP_qyXkNjZm4ekKJ_m6xHtbKuMIHgp2mGXUIFv5Cy7dIfDdPC9Rn0iZdp9StYla" \
    "2BeAoqv6lVWzCpgkw0aX4ePNZzY0wZqULqIfB2v_3D-gMGjT42G2vPgTls-IjJxcRmxhrn6EyNpCcF3Kq1fxL9xrDm8bhrzmHAr3" \
    "u7sQlbXk\", \"e\": \"AQAB\", \"kid\": \"rsa4096\", \"alg\": \"RS512\", \"use\": \"sig\"}, {\"kty\": \"EC\", \"crv\": \"P-256" \
    "\", \"x\": \"FgQo21YtXjaHoT5mwui597w1ZUDzC66nI5CGMkHslHA\", \"y\": \"54Y5WyMiUEQsVhbT4EYvUF_onVxmVyGsqzvhiAS" \
    "3fdo\", \"kid\": \"ES256\"}, {\"kty\": \"EC\", \"crv\": \"P-384\", \"x\": \"bythbo8dFmx7GVqr0er3A_T_xiBgoZd0n5Ut9MKh" \
    "aONTgrRDmu4SPgo-a-vGoBIP\", \"y\": \"tNqd0mm-l3yEqKwhP3fLY_XKv45_Pr2YiA162rgLGY9TMKenfSOl89kNOydiNedq\", " \
    "\"kid\": \"ES384\"}, {\"kty\": \"EC\", \"crv\": \"P-521\", \"x\": \"AKJuZ1R7Sv0zq8zazcyVGsfihvvWyaOmVAYsuqedgzQ5nOf" \
    "Gc5kQfYpri6yLTvk7TdztYVAgZjwvhbnQBrAPfjs9\", \"y\": \"AOoRLu_j_Yw5KKU12ZkxJMWoIWaCK6XqF8qqUNcXYlxYQ_bRG2" \
    "vW9aV6gRpTR-dD6f4gX-4LimQjNP-BoWSDz0LT\", \"kid\": \"ES512\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"w4R" \
    "HaGMHvsMAU8mR6jjVGjOcbC_lZLeU6Z50IGvouNA\", \"kid\": \"ed\"}]}"

#define V_JWK_RSA \
    "{\"kty\": \"RSA\", \"n\": \"sHSJdWu6MpzPXO9pfjSe79-lUXPgrOE8UnreDpZwlqficf2302UIBEpsR9PtXXAdlPQUUlq5h7WVRC-" \
    "W5s4Ku0op8ykRJmwzxZHwqe8_WUa36d3-5Pr2r1K5Dn4gwY-GoN8WBGevyh5Hp9_uHFWBy_Ji4HMgm40uOgbQ3DUhg9XRl1l27Vq" \
    "_yaCW0XvxLtWs0PrmodON3JiOaKPJIFcs4NzfevNXydMkiJlw0Y44BqA2Ft5LNJelGRwC-5lnfT5gEBjLogEml6ZSTiXIM44ZBcF" \
    "voSJeCH3SjJQXAumtDr9XY81WFig4PE9h54WFStXxK063CiUSI9_4YpV8oXu7mw\", \"e\": \"AQAB\"}"

#define V_JWK_EC \
    "{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"FgQo21YtXjaHoT5mwui597w1ZUDzC66nI5CGMkHslHA\", \"y\": \"54Y5WyMiUEQs" \
    "VhbT4EYvUF_onVxmVyGsqzvhiAS3fdo\"}"

#define V_JWK_RSA1024 \
    "{\"kty\": \"RSA\", \"n\": \"qWZVmLJfBJ4iV7eeL-Id_N5B6twxo1kmYEGGFMa9NwgUmD-h7cx4qVc9c_HpCowiQ__eut2K5zqMwF4" \
    "Xikr7MOu4ohz2W9152AzYKuVIIuNA1TQKNi8fUzPfJX0es_2pIN8I0lxNKydd4n9aEpdT5zFVMf6e79gOYi-R2CBSk_c\", \"e\": " \
    "\"AQAB\"}"

#define V_JWKS_E3 \
    "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"wml5sgOgeyaCOcBDejxkldATucmapKddN-Y_xNbKHU947p_SU552vvXTr9ZD1H1p0PHQc" \
    "equiAhTu-HHey5HTDpAQQs12KVUbkVGKSSnfh_54E_0JJ0pVT_IpzhEbwjeTD1Ftqp4Dn5mFvwlrdxQMFTXsv7w8AKUmR84EC8jZ" \
    "2DnpNCQXJay_gyyhTTkmEyBAKI-c_icP7Um9uCXkoVEPbjy_wDEgTTKMuPcZBKq5_-5lBxmwPjfnuzCSl_tLdoZgvM64w50crfbL" \
    "adUaAeOF8mzDewTq31_-jdJl6HLPMH14vLbORjHP2f-IUHHmHn4Ivd1IigS-sLx9RFAirlVKQ\", \"e\": \"Aw\"}]}"

#define V_JWKS_OCT \
    "{\"keys\": [{\"kty\": \"oct\", \"alg\": \"HS256\", \"k\": \"bOsuV47RT44dUlJ7YLW-TxsjEiZlnV4paffXcjrEpASNAxLvS8xpr" \
    "9EEr1vQrfqBXmpzWO2rd7DjvTvqsecz1A\"}]}"

#define V_JWKS_OCT_NO_ALG \
    "{\"keys\": [{\"kty\": \"oct\", \"k\": \"bOsuV47RT44dUlJ7YLW-TxsjEiZlnV4paffXcjrEpASNAxLvS8xpr9EEr1vQrfqBXmpzW" \
    "O2rd7DjvTvqsecz1A\"}, {\"kty\": \"RSA\", \"n\": \"sHSJdWu6MpzPXO9pfjSe79-lUXPgrOE8UnreDpZwlqficf2302UIBEpsR9" \
    "PtXXAdlPQUUlq5h7WVRC-W5s4Ku0op8ykRJmwzxZHwqe8_WUa36d3-5Pr2r1K5Dn4gwY-GoN8WBGevyh5Hp9_uHFWBy_Ji4HMgm4" \
    "0uOgbQ3DUhg9XRl1l27Vq_yaCW0XvxLtWs0PrmodON3JiOaKPJIFcs4NzfevNXydMkiJlw0Y44BqA2Ft5LNJelGRwC-5lnfT5gEB" \
    "jLogEml6ZSTiXIM44ZBcFvoSJeCH3SjJQXAumtDr9XY81WFig4PE9h54WFStXxK063CiUSI9_4YpV8oXu7mw\", \"e\": \"AQAB\"}]" \
    "}"

#define V_RS256 \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.XkUqNhm05XqE4atn7h2hzhSIOtUmS0AGncT2VOeFGbRAAiI" \
    "xgC_IytAw2vJd8v0SNT0hjlyvns9fSrkTLPjDt3ifECutXXGflURrA3hRJzOmavz2qSTUyQWgFRytthoBgQ07SsnooU9VmVr5oj1" \
    "5IGwXorrloC7iUoB_i3UGbKN3UvgjBFA-ul0yJ5_jbcfWeY2rQVM7r7H-chZjrioKKRBAiqamOMHVQp5H7KyjelPndL-HpWazUfZ" \
    "3CWSANKXsPA8ny5Q6YDztd7HgrEyynvmxj7T8rZDCWg8-8berSj-Mc0ONEwKR9PVZhYvWqNA6RQdImlda-Do0T4ON04Mt6w"

#define V_RS384 \
    "eyJhbGciOiAiUlMzODQiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.RfqRqhCe14u3PLEO6n4uWMKuGSWiKpOZioFtfydZlvHDyz4" \
    "LkY-jAy06B8sAHPxGHg8lUXzmSXdZnHZ8XESOweWqjDBb7TI04LMNaGL3HRYcpEX-iB7k55cPi8dgWpcBb_hlltYHwRDgNS6Ur4C" \
    "k_gcng8YE2YqPwvJvwByAz7DAZLmZB6wJ8LtpUkS3XRS3pKAkZ-eDobRSEwFO-Pn-VDBRI9eYFfrgFd2MPbiiTB_BO0AjzGpv7B-" \
    "iTgcatDQ3nhVilLl33Ol_AsyLnzIoslr8A77Bnnlc83P2S8oYpPFYbB8jt_XuNLdabbwkR0hCeIVhn2-Pfjvy3SSABApdrg"

#define V_RS512 \
    "eyJhbGciOiAiUlM1MTIiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.PgOAaj6nzA0W_cINi5dXvcrmua4e51hhmgiVphxhv8shIf0" \
    "yFeF1EW6mH3yoHdLxcw8kdymSdEE1xpXUUzToDf6XmrRdWloz05Ge9nbQUCvnxsBXwX3iHTMOqZ9UDTcVsr7rOMJHjlq9vNgQjJf" \
    "EaXzF9D_wm2hgCBzvuZ832bvw8aGsIXeh9e-GbyxRDg2AhUZSBTCvbBsG4vIfgR50ahq43vTadiFqqsSSrHomKQJUudi4y0MaANH" \
    "ZkIEN0I66MV6Q47wJSl79sV_F1mFepvC0Ns79_ONDl8_RWJmJoLmsmtQlDZlvLK_HOytDWDinADud3xDhF-ouEksPtgbvPQ"

#define V_PS256 \
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.ad7Zfx3dLoZA5qLZFdPLhNZBfA4ccS7WFmzf07u9aJwwYGa" \
    "LTmOQR36KPU9pYOjSnxy7XnatsDE5Nagr_x3HVN-5yAWX6-tfGi10ScoOV9MVCRnL0cpGVVAr9VeJxqhue0W9zMe7A1fK6xRL02C" \
    "kjPaxDpZ29ZFjMJQsmSRpwlJm_jYv-hk-LJNxg7rxclxgVGGISScQY007Cslx_ieenSViGNLXixeAvx6okXVam-8w4i-VKtBO58I" \
    "9Y1tjpyWwU88tp1if3pEoabGzzNx4geqFEcWz5IqJMPawkLioypcFIsvz8mKSySLpeQdwn_I-JFSi_3hc55cBwPsyaLMw5A"

#define V_PS384 \
    "eyJhbGciOiAiUFMzODQiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.eVBsFH_Jr1sAYtVZQ9Miegh0ihEfAx_V16y0ZpMbY7SiaBi" \
    "VJJ1Ppq1wpAV_seBKXReIQOPXgcM74sbrLaU2CWzkmoixwwsZOjOzkQVKDJEaJnzlw6W2YixkBV6ADySUTZHDsqAbs5OfkHmaqtk" \
    "O6ORe2i0HzxTrBcYqzFx6GstgIhUp8j7oPiQf_Dv4_vskTDYDj4hpWwh6d4LDtSlg5s9sRP396nykmupkrF9U9VqxgLhrDEHkZs6" \
    "Di_LZbzKkaI_vFog1BQPL6TpPXjR0iN0SPhjL2Y_sQJoAIhhJkPLVsdH7BjhX4BYfxC6u1cnSep_cerkwRvReoCh7S3N-kg"

#define V_PS512 \
    "eyJhbGciOiAiUFM1MTIiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.agmurmcYiTDpwfUZC_et9ALTpCvW4owASh7o6FBlxT3j_gx" \
    "SoWpYtEThf6ctvRVkqWuGAEO-dHU3VnVdG02vi58j_r1AefNe0dZoKj95LQ4UW2WYKYT_aI0zeJw1u1BoY-j8MnnKGJiHVqeYr6J" \
    "q2qzTC89CpIsdgR5awKihM8j9rQJoO69i0S8DpxjpKOxZ7dx8XOF1qeQ0jRdfxP9d_rwv2CAbCTwe9SD8wRCnSt3h9A09T6NBH24" \
    "JaCy5_dSW0axOpVH9EmHiWIe3qOwCddGdFDfticVVu2x8UqzabE5YfIJEpjU33Z4IzsrFSLVLkGMrtRL2csxM4leNPKGGwg"

#define V_ES256 \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIkVTMjU2In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.v_ip5qFZJU2A53vMGSJcroeJNxlpRdOYb2MTcx6pPspD" \
    "sFjCYMg8ehWAYXT08DeFQLtdTWjLsey4F6H0tudOyw"

#define V_ES384 \
    "eyJhbGciOiAiRVMzODQiLCAia2lkIjogIkVTMzg0In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.5Pd0Mj0JBt3veYWxLdhjmKmdF8bddM7QC3koVWraVAgE" \
    "qckM8L7jE5K_3fToY3JQNHABoZQiM2C2JGfFEOKgAjEFTLPS7ybfTZE6sEhKoRLtxQ-ZOtkqkMGkiTe5gJ9A"

#define V_ES512 \
    "eyJhbGciOiAiRVM1MTIiLCAia2lkIjogIkVTNTEyIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.AKe9RTgGq1Rknko2NdtyS62JsjBqBjbFuT7RU5JeYtzl" \
    "o9Vtzb7izCjjeIiDdAhSB_2RjHwgwH2XvqhVn3uRbUUNAIpX3aQTHPtkMaWzqNpC1CJZc5-SEFwb10ayyLNPZ3v1tH9Te7JTc_Wj" \
    "DpJmGRNNc4fmoVe8v4R1nay9tdMbTult"

#define V_EDDSA \
    "eyJhbGciOiAiRWREU0EiLCAia2lkIjogImVkIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxp" \
    "Y2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.wFL8XG8SB6oftNv93ORWDTen84nlWkmA4Uzc5vAFWlpzRY8P" \
    "0VfgRTBFldlx70RL1VStBySliWKVu5jx3QpxDg"

#define V_HS256 \
    "eyJhbGciOiAiSFMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.70wG0hMDTs9PkEg_t2Ir8BlVzCjh5xNKA0Ubm54Y4uw"

#define V_RS512_4096 \
    "eyJhbGciOiAiUlM1MTIiLCAia2lkIjogInJzYTQwOTYiLCAidHlwIjogIkpXVCJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXh" \
    "hbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.m0tkqK95UMtBTpUFYAsvfQ_" \
    "325CmB7TwAM9cq9RLUwkPyMC2uSLnM17zTbfeDj9kJLu3htR5LEywuGgRdYx_RsqnHksMIxOA4oCqYEBZzvTAE54Es4lph8iPPwj" \
    "YLzGeKUwztsOv-J35fM-BUjXhnWFWm9vpATfbJQgNBIlDUfwsbNRuVyub0WUx1iRdc7SyTJYC23nnuox0Da1XsVCmMU8tU7_KHcV" \
    "gisJ1f7jFIK48NbQAReC6lJgs8A2aFj4q7PWWaYOfwBXkvAMzG3vzm5DWJVbPMOVqW1xX-BaxygPM7xdyuRJv1Pr8ZE4YPYvnVNW" \
    "DjsdAWlW_ubCaJp1sM1VMhsCoFValXXOXYsEhYLSyYkrTFJzv9VtRNhgrCpmOo3nO1w9yvGH0S3vey_i_5-XS3oOO0Ts5RqFirkV" \
    "JwKCFqwnR9BLfVmm4CZZjsMwMKki2ezdYdoY_APtJKnjxqiLHEWHFVnccLCtWs3h_0DxvIKJW4ahPk5E4AHgbZB3XaN7Qsr_9uNF" \
    "oxPmYOZW3ZiGb34wivyRzAeAsc2p5u0E7h-RdLGj6zLQeDC8jvxWC_kfM43fOD96YloeUmQfEXvCFNWl2voECokvJ6wfrIe0HOti" \
    "kpWtitDLUgnClgO71KZNf49j5kR-j5_Q7jYd49h6kRBgi_bh5W84D-ZYNKw8"

#define V_RS256_NO_KID \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.XdOiV3OX61sOKov014U8Tr7HYFFrPSIZ-QXJyd5bcd1hE_2wLwGTdd3AazfZILQ1d" \
    "5UahRq02nDSeI-qlaU24xOyWIK8pi69z5IBohjXHLasXidZgSQ9exncy3DZzVlW6Mf82_ipQYqKC5M0uWdtBSKjNsV4vCwSIdQt2" \
    "sb2B6vpbz5lY7-Y91-28HRntGfZw8yKsE5zy9sHqKXNllbokAHgVNM_ZL8I1radZPYM5CjYI3B6-a6fLhtZrGUKNqrq7t5cmbTM5" \
    "ulMps5SyexCNk7_FagTaExA1eGM7OBKy_HDg_iYRNeJs1Dj0A5JJiaVJVp-ZYkj2ZiftAtgI1MwDw"

#define V_BAD_HS_WITH_PUBLIC_KEY \
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.MpQ-Wnxc__zSmYaJ9GKaCX9qKENGoz1CwdZdE_f72-g"

#define V_BAD_OTHER_RSA \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.eNHebUfdDbFSdrbg4nQ81bNLGCmuOfLL8wd8K7gwhs4PmTk" \
    "MPorD6Eyq-WDtZ8KlJR9UIEpHGRlksy_CiO2NLIOswVga1pelRxUBcitGL_9VvEbJvnVa8LJirtDzK2SB6ZRoinnQI0eFl4QWhxl" \
    "-DD0IMiTRWWxd5e0pASACdR-GR_6WAn0rUzZxfWHAHn33cCci_g4f4aypIHappBtgXlM8Ai8-IKa2P1T-DtIO8gxPGYLIFnaS3M6" \
    "g9uOoGr0PvnQ8_kMiX-rpA3t7J1xqC_Z1qzwaLg2N5HKSeuThrJ6u3QI4Y5I9EZ9DT4qNZV92ao1fFVh1uNgcQDe9eiA9sA"

#define V_BAD_OTHER_EC \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIkVTMjU2In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.CwRTGsgoSaeG5YISnlTZIjGNiHgixXMgEuTgyvZihIly" \
    "GUmrTpdYsuQ69jJWSI4Z9zQDklnhjujiLfxSGjejCQ"

#define V_BAD_EMBEDDED_JWK \
    "eyJhbGciOiAiUlMyNTYiLCAiandrIjogeyJrdHkiOiAiUlNBIiwgIm4iOiAic0R4SUszZ1JsVk82aTZTYUJTVVIxOVJoc3ZUakJj" \
    "ZElqMWdRaWdMVERteWIxS1UxTFBxV1lGdEUya0JMSWNzVEJsb09oWk9yaEE2SjRrTVBqaGY4RERjNUdwUFZjNWc4Vm5fUUxNVk5x" \
    "cDVEazh5Y002U0g4cm1laV9HbjBpTzJ3ZV9fVER0eUtqR0ItTmNBaUNWSFE1N01HSW5qSTROSGduVGpVMHR4UWQwZm5OX2lHMDdy" \
    "TU1Na2ZZU2RhQ1NlUE9DU3pHaVZsczlELVcyVjBZZGFTZ3IzbkJHYjJEX1M0LVZGakhfcVo3ODg3NC1aVnUxQ0h6TTFYdW9vTG1N" \
    "Z3NTRUtGM1JpTEJmSTMxMVhxRmJfcVR0M0hSYnJtZFVzQmU2R3ZJY0Fia01oTkxfZUtHdTBBc3hySEhKTUZmclE2b0wzYlFsXzkt" \
    "MGhRSHQweXJRM1NRIiwgImUiOiAiQVFBQiJ9fQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY" \
    "2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.a3osuhFz9T4JYW4uhD4QWOMciib0tdCMUXdTf8OaRqqz_Jys4" \
    "DcNHu90QPyQRjXaiKPl2TIJ9PbXQrTZrT1lwTFrFo5eHrLpCmbIiAgxVAzUkozG2sTpzkyANMyBTbQiJj7hD2mG65_W5FZDrgGBU" \
    "FBZe31xB3KwyRRPDDlVS-Ia6p4-q31-luCgHkmb9A2o27kPcR5OANxf6QgXx6UQwb0Q0eB4R4WEyc8hA5gqmblf-HUSQOEekqwcn" \
    "QTiHXxf4MfuIGu8lsuRLxN2iNzu_G2r7ClQZyV0faTrWvWi52i8yFStWVPQokXEvPqWNfnpPQ_-0KvlxQTGyXK9OGXqSQ"

#define V_BAD_EMBEDDED_JWK_KID \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIkVTMjU2IiwgImp3ayI6IHsia3R5IjogIkVDIiwgImNydiI6ICJQLTI1NiIsICJ4Ijog" \
    "InUzZWFySVFzUmZKaEpQenBiTGc1cE13QlgzTlE2WVlYVzFGLWNqSzExQlEiLCAieSI6ICJnVTBPZFd0eHdTaWE1T1V5ZUhMZVhC" \
    "TEt4UFY5eENKQW5PN0k4cWhVbERvIiwgImtpZCI6ICJFUzI1NiJ9fQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsI" \
    "CJzdWIiOiAiYWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.BIXx0xQ3yrepflvUv5k2If5c2IiZmiJA2" \
    "5_sEYJ9B4X_lz1pslIUc313oq_dL1KsGW6aJlpw1uExVFC1j3jyhQ"

#define V_BAD_JKU \
    "eyJhbGciOiAiUlMyNTYiLCAiamt1IjogImh0dHA6Ly8xMjcuMC4wLjE6OS9qd2tzIiwgIng1dSI6ICJodHRwOi8vMTI3LjAuMC4x" \
    "OjkvY2VydCIsICJ4NWMiOiBbIk1JST0iXX0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2Ui" \
    "LCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.jykxQEDKiCnjClEIHgjWxFMRRqa92iOKSktWreTVlk7y6pblacUH" \
    "5PWV6kGbQmlXCAU-hvAVs6HMkp10MsjFO3Co1RHW9FAomvoR661bVfcV1d9ojMwnqOX0lHBvRXCdFA8hoDirlMY-ZVxBDP9XtXKP" \
    "yipggj1jRlim7-uG5Jg6nVTR-wUeZzEvkbOfpF0KkfAAelrbRFzx7knLnDSzEnb9y-TOXpBeOY9tAdzyOu4s1y75Syh_fvBKGkAe" \
    "uJwvwnpX35sB8skMUQk6DdFJp5y0LwDnsC31x5Wru9k6XPZaM4pBm9zmawyqGY_wRj_uYDZimYJfx2z5H3AaQ-kYPg"

#define V_JKU_IGNORED \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSIsICJqa3UiOiAiaHR0cDovLzEyNy4wLjAuMTo5L2p3a3MiLCAiandrIjogeyJr" \
    "dHkiOiAiUlNBIiwgIm4iOiAic0R4SUszZ1JsVk82aTZTYUJTVVIxOVJoc3ZUakJjZElqMWdRaWdMVERteWIxS1UxTFBxV1lGdEUy" \
    "a0JMSWNzVEJsb09oWk9yaEE2SjRrTVBqaGY4RERjNUdwUFZjNWc4Vm5fUUxNVk5xcDVEazh5Y002U0g4cm1laV9HbjBpTzJ3ZV9f" \
    "VER0eUtqR0ItTmNBaUNWSFE1N01HSW5qSTROSGduVGpVMHR4UWQwZm5OX2lHMDdyTU1Na2ZZU2RhQ1NlUE9DU3pHaVZsczlELVcy" \
    "VjBZZGFTZ3IzbkJHYjJEX1M0LVZGakhfcVo3ODg3NC1aVnUxQ0h6TTFYdW9vTG1NZ3NTRUtGM1JpTEJmSTMxMVhxRmJfcVR0M0hS" \
    "YnJtZFVzQmU2R3ZJY0Fia01oTkxfZUtHdTBBc3hySEhKTUZmclE2b0wzYlFsXzktMGhRSHQweXJRM1NRIiwgImUiOiAiQVFBQiJ9" \
    "fQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogN" \
    "DEwMjQ0NDgwMH0.AuuE66uowemyONgFOIiL7PwC0b5LbiqClVJQ9DHULtCpm0v2t3vvfK7-I-IbR6iA2lIz0EjbS2SIPZVybmNkH" \
    "NL36RCrmXISczET3h1XudTt8BPhhV0b4zMV4j4VBwG2GKvskbjWseC-wuybMx2-3mc3n2yKZEwwrk4dI2PcGURJTAF5H7EO48wZX" \
    "BpLezjD6g3EnPCYu23bJnB_tkYQbIVh5cQjqZA32R80q_J05-vxZe1tNE874pR0vkTNC3dBhnx7tauVtAObkRsWYoJKAsl5DuPiq" \
    "UK5KuEtUDns-J_6VCRLAZn4Nx7EtWW2ascSBUv8nCRSZDdv1L4SVMfNrA"

#define V_BAD_PS_SALT \
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.CeeYjLWat5z7wpI8uAu_7xDSkD3L9edCL-Sv8PwRhSIQr8W" \
    "9ov3CUmsKfrlGVOZadtvrzYPWXNE0R5Z8QHErwxWP0vK0_LzG0ZHEluSKWlWnAQP1rm5b37BtgtcU3C9INLUzxOl8Yowj4am6KB1" \
    "wxK6DrTKLnDQV5U7nNrzAF_Jm38uiwH2xF2cvlGNpWiDqTAlPfsNYue9xjtxORgJpbL5w0r93RTQPwwL8we972fE-XHCYs6MX3m4" \
    "EpyNsVcstRV4jzUHWP1Xt9pkwbwP6cloOmZ4-t6JVtk8Xi4Np3wAVcrmX6F9ge_qOkAnuLS_Ck6ubj3uFXByfKW7Wv6iZVg"

#define V_BAD_PS_NO_SALT \
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.o_GwIjI3tpLkmQwWzjleqamEoTjaziClP6xHX7AJUzkCJAx" \
    "dPKq2abRhAfMJ9uiFGzggGK8yD50ML_fATVGi4Oxrpfysgx7MHTKbWKQrREVySNHyCa4lkgS6dI_ok2enXLEyj-N99JlPGp9JjH1" \
    "JnWwP2Xmacv3dXeIucUB1NGjaO5gFHhOg75T7VBdYnkNKt2MAuiS0hBTnx0LgxwzOU-PlVXp5ETefUVvahIk25rCqZGWSOFFp8Pf" \
    "iIWUnL4uFAX7IJgZh6x6vLg3L4DtfnCydOWVXX_gpkUEngW6GaeHxY1aWwRH_t1_yKyrRyMdpe2qa9UQ7O4aJe3tcLQ3qYA"

#define V_BAD_RS_AS_PS \
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.FfIdsyKV5t3sGmIYO4ZchZlOTCWRzsUr7gV79Es0a7aPi7J" \
    "70InpcPvPuK1tbr5DQOtCjj9k-DtcLHk2aqHu12bm76B8Af3MQZC8nTtF6AW15BO54fNnfJ0EvGS-9r1JPHvBEQUvnEzO02lLTny" \
    "v_zw2pPfA65eytbeB65dnFPrx8qpCtINTn5z_uTGTZWH471V6M4PDEi0iuZzPz7f-mZFPF_s7Z1vpdhpcaIPo1DrhVkqCQxhzPzi" \
    "WeaaI6bE7Lm3KYcB0-53-SLDFrT7dlPjbk8EZUy24aZ2gO5Q_552mOsOLz3Kh3AuFmML12WANBLawpwVbyMiqhdtKsYWPOA"

#define V_BAD_PS_AS_RS \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.OLNLVeCqCkfs0A51mtgFVkIMFVqQSCdaWNZT8xBFe0-eyXX" \
    "Nz2kjLqYmkwFCmMYjOtQ_sCZu1DYaEdNwBT2-LdJUvvNGjFG3IsD37WI5rFD-eQm3beoOIytOUcvFHjmK-7SWYEjrYqlbW-4il2R" \
    "UMJElMExHS2LRpjU752QkNZFqWRopEyO79MQVS6uZP8ovhSFxmPNaroT0D2hAn2cIeMn633fUdf0BiVjznWOlYP7ryjQ68UfTt0L" \
    "Lcu4wDVeV6nes4BS-iVfCdgq8xV7l9zpAOLHBD82hQxkXSvsCShgs8YYgfMlzdKmYhTRltG4OZRxlCDiq84jB1aBRA3ei0g"

#define V_BAD_HASH \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWx" \
    "pY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.GyaBSZGF_1h8XcO4cadOH0_-8jSDAe8HKWJBKACQviTA9CI" \
    "huYxSBau_p79XnRx63xmxUtD7nJSFOMwdxMB3AbKuTx1P5YfRz4E0rKip2UuvhyXdOrUHkemVADXIkh9H2y_fj-EP8nalKZPrwuf" \
    "duPV36wHGfFSs3G7-qHy4TOg1uf61FM2Q2Q4xw-5OuMewNZCTvWFdLIpnzG6kXaLO-8MhuRz73PyP-LEIhxjCDSHZOzMzFagwzSk" \
    "_KWCwqNe2zCvds6ZSUcpGBoQPzLQvrl5Xzq-pE0vnQCJp38BiLoe0eBaCY4bnNC5EyOU1nU0_U-Unn8ovjcIvV04GWRy6OA"

#define V_BAD_ALG_OF_KEY \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYTQwOTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiO" \
    "iAiYWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.J2CrrF8Qzi98zpURKoW-UVaPgDrUGtaQxH_nlipo0" \
    "uNw4UeTby8EA42tiH4Ts-E6f34FiQRpDBCyRVAg2D3qqbVR4iWpeinnyouno8jJkTxcTCZF8VumZhXHfOU8sALgrnhOyBh-zkl-I" \
    "_bOgXSzfmF2E3thDbfWOjZTZXgRGc3Eb5iw3jstuZmilT02ok_wjBTapGAlDaqRGg0sLLnzGgwh68d_RB0-jE7BeqVFc4ks5S0Ir" \
    "h1OiISP5QWONKvniPOvxixNnCiq1Upw7RVs3aa3v4wZw_mzky6lH6fGSH5L78jp72EsOT8ritqXOVcNTaMsQxRCy6ZGHqS1Abemu" \
    "u7QkXy9Ctg0yHUrUDvGmKFGyiKge-yAttkKmdTRcP5O84mi_8A0_t-LGdBfIrRpLKbezeR1aLXHCuDpQ3FbC_LsdoYwkqEYDOibX" \
    "jR9VQdaWajt3DzrublJqYvngg0epH6SrAjepza1rjAfX7TSml6l2CT43ZQ0Gi_CQqN9evFpIAMMEdoZ0xeTm-iWAmACXm4i5dPfA" \
    "U29E31hULxIraHTxt7po1F9cvyTz4MqcFBq8jPS8ONqi2bTl7yP2XzJPLtc5r-mN4LeM_eOFi9CuBKOhUt5MKkynv56caYhVn7WU" \
    "j7y-hcbYhxfpWAQuwfvkP_SLWmNw7ey2pArPKwBaPg"

#define V_BAD_CURVE \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIkVTMzg0In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.nIUyJD--pL6MCqZxWCwobpWjImKIJwUB_voKOBo_Qx-Q" \
    "J5p8omjmAltK0FIvgqsBdXaaIvz8USQDmHflt3VLe2_c1rScHL6eT2Rxj8k2r6Vdy2yiHIFUcNn69YBf9Jy_"

#define V_BAD_DER \
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIkVTMjU2In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAi" \
    "YWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.MEUCIQCvSY0hctRfH-RpO51qAah1M0iXaqY9Ct8V-G25" \
    "WmjqogIgapix0BO0WZjDEG_7QVAPQWirbHfWEaMbR31g3vN5Qdk"

#define V_BAD_RSA1024 \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.Pw_25W3HDd5gJR22FeG4vx1LVZ0Dr4b5qGymXH14GKsabMCq28IdfMkVv3YpbGOKQ" \
    "G2ZzSeXLyEf-LwRgsvxwnCgTk1iMcq0uI72cvu9tk_RUioqbL6gSLZqW0DIExHPAzO5IfJKwS85QA1frwwYprGYgTuGDJP29eWeh" \
    "M7x_yk"

#define V_BAD_GARBAGE \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.gz--2Z0mdJttm9Z62q8lewJ5utnYMCjv4CyHf9LqsKgYxDmaZV_m7cSWs5Jfe7lPM" \
    "4Q2DiVx5jkwI78K0TPbMPggfo9duxu7Lnk2DsUxfC2wb8HTnCtUzmbV1KWFtcMHMorRqol_0vOiu9aPYH3DRXoTVk8YF4pVGdc04" \
    "EHXKWv0auUj9GUvlolTBW_L0LI69TDQyZIUMUpwsEzcCW-7H4musvDv3T2aC6aU4XFS9u3v3L8BIXCRVgCUyjYo8N2Sy7CVNU9RV" \
    "jaE1Mf0aHircGMz9pkdrDvFvf_NZP3K3j5mKa3Nx1GsUUWFUcZ9Au29YUvmFxV3o5WsG09jn0Bl_g"

#define V_BAD_NO_NULL \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.IEGyeAFLih5Xa5v-mIkP5CBbzCV7Qh6sCWJLkaa9jGM0FUzqfSwu4v-M_em0_7yXy" \
    "wTFWebRy9cyyG_xeTh5b_glK6meGP7-TgoALSNjBRPl5PeCNK9fe4U-TVtoCexlfW1apZ-vdIdu7g-b6N1zFNFAfQq_GapBaI3aQ" \
    "4iZc6gsrvqLukd-L3LJ-ZEDkrfUrhuNgPRiY2HHh8Wq6nZB_WbY0edGzlpMhn3YVLTqiu_CAGRZ8iAD_xobcMQU6g7lBOGvTrE9Y" \
    "X4xYDqDo-gBgKgfu71Tam05rv3EJW83NPEtyhp-_xazN1DN-hTnclyasD3Y8MVYYj8X_Tp4aMPJfQ"

#define V_BAD_PADDING \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.YjfERy95FbCGMc3TMJK1t6IZ7koFhHDYFY9M1BQRYHv1FAgwa9mdhItsf7yLvbcjJ" \
    "Nl2nYiiUn3RMU0uA5RjV-tlK1BVwOXiz6aU00Ci4UemTIKwYZtL2s8TS9lfG7UC2b3jucpXa_U3GUog73ZhaJIYLCkp3a200NING" \
    "zYnJEgKHatTyVSdmTvBidcG4gnHo-SNFU_fjtq_KcznwjjLDrqDWc2dsIxWu31yRHoX1geBub84f-05lX7N4ClQVRFoWwDdbnSN2" \
    "dYA3UHpD0GO1VvnDxPuR9Hlkn9IHMev1U7CoMTvIYn--4adq4P-_hJwsX1kOZ0XbafNdr2tqsjApg"

#define V_BAD_TYPE \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.WoGuwglIdXsr7hBB9xgWPamfWJXv7cv48a19Z3Mz5bNw30tI41Ka27_ukiXqJNXqG" \
    "dzrQb6mudCUzRjl3GXeFFqdJb_oDrlK3IBPOpiihegDvh_u0WY82_GtmX8Zc-9WHF-IwrpP3jBPaq9Fsmm1ueLtHKeO28ll_5waq" \
    "lxtAYlBvxjXDcLixsjrZEAP6ORlGqJBh4k1_dGUtLpOZ51M1DcxsSeHh5yMDKAthdgOSaexjOEzhgsHT7fTAneFMSIFDC162YGQ9" \
    "ZPHmf4hjpxL8a-2tULSa1HEnpT9z6SFRteY-4W-Fv-mZCScuVlf9GCavEIAzKe4T57K_Sv2sWq2fg"

#define V_E3 \
    "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogI" \
    "mRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.VyQNCDjMeFaRqOgF3cPlszgyQfNDFqqNraHTDvFUql-FmYI6cnJ1yvaqfORA7hDJN" \
    "K9fHIACSK8gRRpKzZiiJYP4s6GgZebzP0fwj7Diegv_Nqlv4zrJmEJa4zTkVkBUxZjhgjio_0UMr6GO2F07VgNIoOSi8gZ_V6PhR" \
    "NMnD3bSSi1jJs3ssKSXCni1YJznzwHNcb5Lu0uMu2hTfp2D15U7L0PtavXfQiDMmZE8LVcTDFiklMWrZnqK88hsak7WYNnbZNENu" \
    "Uxc7kXMwjjSJ0H93aolOR9LF6EIa4zsVW74ioozdhRkS700P59bHKinAcHmFkz4NY4T8I3kNTnRgQ"

#define V_BAD_OVER_MODULUS \
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSIsICJ0cnkiOiAzfQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsI" \
    "CJzdWIiOiAiYWxpY2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.z3KS38GT1XL3iNEMZdVsmdcYuiY-J2N2C" \
    "7GfI_xlXZEFNNO8ybKast9PQSfUEgzgp8dvGvhpVs3lojkzAcR0uFiBMJCqh5ly6Pd1XfzJYFBj3g2bBZUobfSypHR6zlkd3FlWy" \
    "nrU-VFq7iBwAuKKK7tXDHAEPYXLYAknV8i3CgUM7SUiZtG9_izA0rEW4gM9sTk_EZWWs7acdBhwEbhhJmk70-LvK0qDVvuNIJPDq" \
    "FShyKLXcob6L2fQnV5K8qBA-pHNgNbZPy_JkPFyKz0xDzOOjMg7nA0TH9flkuqVk2dDdNuq8QJatXQx6NifNb67_fh2qUwavg6M5" \
    "f4JM-_syQ"

#define V_BAD_EDDSA_PLUS_L \
    "eyJhbGciOiAiRWREU0EiLCAia2lkIjogImVkIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiYWxp" \
    "Y2UiLCAiYXVkIjogImRvb3IiLCAiZXhwIjogNDEwMjQ0NDgwMH0.wFL8XG8SB6oftNv93ORWDTen84nlWkmA4Uzc5vAFWlpgGYVs" \
    "67rynQbijHxQ6SNg1VStBySliWKVu5jx3QpxHg"

#define V_PEM_RSA \
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsHSJdWu6MpzPXO9pfjSe\n79+lUXPg" \
    "rOE8UnreDpZwlqficf2302UIBEpsR9PtXXAdlPQUUlq5h7WVRC+W5s4K\nu0op8ykRJmwzxZHwqe8/WUa36d3+5Pr2r1K5Dn4gwY+" \
    "GoN8WBGevyh5Hp9/uHFWB\ny/Ji4HMgm40uOgbQ3DUhg9XRl1l27Vq/yaCW0XvxLtWs0PrmodON3JiOaKPJIFcs\n4NzfevNXydMki" \
    "Jlw0Y44BqA2Ft5LNJelGRwC+5lnfT5gEBjLogEml6ZSTiXIM44Z\nBcFvoSJeCH3SjJQXAumtDr9XY81WFig4PE9h54WFStXxK063" \
    "CiUSI9/4YpV8oXu7\nmwIDAQAB\n-----END PUBLIC KEY-----\n"

#define V_PEM_RSA_PKCS1 \
    "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEAsHSJdWu6MpzPXO9pfjSe79+lUXPgrOE8UnreDpZwlqficf2302UI\nBEps" \
    "R9PtXXAdlPQUUlq5h7WVRC+W5s4Ku0op8ykRJmwzxZHwqe8/WUa36d3+5Pr2\nr1K5Dn4gwY+GoN8WBGevyh5Hp9/uHFWBy/Ji4HM" \
    "gm40uOgbQ3DUhg9XRl1l27Vq/\nyaCW0XvxLtWs0PrmodON3JiOaKPJIFcs4NzfevNXydMkiJlw0Y44BqA2Ft5LNJel\nGRwC+5lnf" \
    "T5gEBjLogEml6ZSTiXIM44ZBcFvoSJeCH3SjJQXAumtDr9XY81WFig4\nPE9h54WFStXxK063CiUSI9/4YpV8oXu7mwIDAQAB\n---" \
    "--END RSA PUBLIC KEY-----\n"

#define V_PEM_ES256 \
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFgQo21YtXjaHoT5mwui597w1ZUDz\nC66nI5CG" \
    "MkHslHDnhjlbIyJQRCxWFtPgRi9QX+idXGZXIayrO+GIBLd92g==\n-----END PUBLIC KEY-----\n"

#define V_PEM_ES384 \
    "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEbythbo8dFmx7GVqr0er3A/T/xiBgoZd0\nn5Ut9MKh" \
    "aONTgrRDmu4SPgo+a+vGoBIPtNqd0mm+l3yEqKwhP3fLY/XKv45/Pr2Y\niA162rgLGY9TMKenfSOl89kNOydiNedq\n-----END P" \
    "UBLIC KEY-----\n"

#define V_PEM_ES512 \
    "-----BEGIN PUBLIC KEY-----\nMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAom5nVHtK/TOrzNrNzJUax+KG+9bJ\no6ZUBiy6" \
    "p52DNDmc58ZzmRB9imuLrItO+TtN3O1hUCBmPC+FudAGsA9+Oz0A6hEu\n7+P9jDkopTXZmTEkxaghZoIrpeoXyqpQ1xdiXFhD9tE" \
    "ba9b1pXqBGlNH50Pp/iBf\n7guKZCM0/4GhZIPPQtM=\n-----END PUBLIC KEY-----\n"

#define V_PEM_ED \
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAw4RHaGMHvsMAU8mR6jjVGjOcbC/lZLeU6Z50IGvouNA=\n-----END PUB" \
    "LIC KEY-----\n"

#define V_PEM_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\nMIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAKlmVZiyXwSeIle3\nni/iHfz" \
    "eQercMaNZJmBBhhTGvTcIFJg/oe3MeKlXPXPx6QqMIkP/3rrdiuc6jMBe\nF4pK+zDruKIc9lvdedgM2CrlSCLjQNU0CjYvH1Mz3y" \
    "V9HrP9qSDfCNJcTSsnXeJ/\nWhKXU+cxVTH+nu/YDmIvkdggUpP3AgMBAAECgYB+8HZ4BEH7ndwySyA41YKPOKXA\nrtxrgaSmQLOO" \
    "4hZsJJv6MsTPA4fvrbYZKk/tXXFX72ciNF2gRFmw1VFiiimMGMnx\nmD5KhWXnA9PKT5PmgxuXfkyYidtKO4vE6E3+aWNYCBrg8XJ" \
    "s/x9rwZzBlT8J1F6p\nvCAllBxYzjbVrICgcQJBANn/Z0xjhXjbfx4jTEjKGrJR1sbStHwViYZ5QhqH7/us\ncHQjDqrLZkQursaom" \
    "0iGzWAB7MZjMCQYp5hGXsIwPkUCQQDG7iXhE+7yZ3cK/KYg\n+rtZcmJd5Aj9XPEU5zG7oQqiQr3ZPK/6F9J0FlfHM/Ts8YhaSz39" \
    "mb9TiLwxkF3r\nrjsLAkEAqVjGB0p8okFpQ6FKHnWaPZJj1XpTqN0WQ7epCXE2lX0EssOVHkr5+9eE\nAGF0l+fYXU/BfvAIstHQR/" \
    "PKovHVPQJAIl3eGWZSL3qEbFd9c9EdMLS8HbBZhTvb\nQls2kk2eAq45EiCT3kbjSr7ZZ0aol46amc7J5Nf837eNm5pvP1oYRQJAY" \
    "QUCP56z\njTI0Oxp2S/FGd6YL8PCOkPfTMvXY7hmlD2LtBVYh4tjhpjSHzwAIco2oXywj3cht\n1BlDOPWlGXMN+g==\n-----END P" \
    "RIVATE KEY-----\n"

#define V_PEM_RSA1024 \
    "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCpZlWYsl8EniJXt54v4h383kHq\n3DGjWSZg" \
    "QYYUxr03CBSYP6HtzHipVz1z8ekKjCJD/9663YrnOozAXheKSvsw67ii\nHPZb3XnYDNgq5Ugi40DVNAo2Lx9TM98lfR6z/akg3wj" \
    "SXE0rJ13if1oSl1PnMVUx\n/p7v2A5iL5HYIFKT9wIDAQAB\n-----END PUBLIC KEY-----\n"

#define V_PEM_SECP256K1 \
    "-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEdtqh+DVrolqRNgTtgZ00q+hb562+MszG\nTILqp8wQ" \
    "G0wG/4R7zyNYhPnSMv7v1ELsvDHsPa2WdGjl5jTTBDbkUQ==\n-----END PUBLIC KEY-----\n"

#define V_CERT_RSA \
    "-----BEGIN CERTIFICATE-----\nMIICmzCCAYOgAwIBAgIBATANBgkqhkiG9w0BAQsFADARMQ8wDQYDVQQDDAZpc3N1\nZXIwHhc" \
    "NMjAwMTAxMDAwMDAwWhcNMjAwMTAyMDAwMDAwWjARMQ8wDQYDVQQDDAZp\nc3N1ZXIwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwgg" \
    "EKAoIBAQCwdIl1a7oynM9c\n72l+NJ7v36VRc+Cs4TxSet4OlnCWp+Jx/bfTZQgESmxH0+1dcB2U9BRSWrmHtZVE\nL5bmzgq7Sinz" \
    "KREmbDPFkfCp7z9ZRrfp3f7k+vavUrkOfiDBj4ag3xYEZ6/KHken\n3+4cVYHL8mLgcyCbjS46BtDcNSGD1dGXWXbtWr/JoJbRe/E" \
    "u1azQ+uah043cmI5o\no8kgVyzg3N9681fJ0ySImXDRjjgGoDYW3ks0l6UZHAL7mWd9PmAQGMuiASaXplJO\nJcgzjhkFwW+hIl4If" \
    "dKMlBcC6a0Ov1djzVYWKDg8T2HnhYVK1fErTrcKJRIj3/hi\nlXyhe7ubAgMBAAEwDQYJKoZIhvcNAQELBQADggEBAJ/ThuaOOiuN" \
    "8euoWFtQPSBl\ngLsfHaU/m6ZXwJ+7IlhkCvzQAndciOQVseoQ9/bC2B+aX6/y9J+0crrXFOCnbMqp\nez48OBqdVaP49Zf+CTGXbt" \
    "eSSBqLwJ2Q9t2kuZepRs5wZEYiiIkMp1Obc6FHrRdO\n6y6AII5YR6lSg0kEGIHmTlWY+I3a03Bw8LKFe0ZkjVBq+5/opAgJbFlKC" \
    "w98a4wi\n5TmFY/hvPvrvkRcOjOr4wY5G+VNJgGi+JJWN9q5CabmEiUZeIzWh+HOua99sjQrF\nAXh/CBj7VGsqj9LCafm2MwW8OXd" \
    "9E/wbQb22155IPpkD8Uaikg6d/1zFe2Z6u5U=\n-----END CERTIFICATE-----\n"

#define V_CERT_EC \
    "-----BEGIN CERTIFICATE-----\nMIIBDjCBtaADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\nFw0yMDA" \
    "xMDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMBExDzANBgNVBAMMBmlzc3Vl\ncjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBYEKN" \
    "tWLV42h6E+ZsLoufe8NWVA\n8wuupyOQhjJB7JRw54Y5WyMiUEQsVhbT4EYvUF/onVxmVyGsqzvhiAS3fdowCgYI\nKoZIzj0EAwID" \
    "SAAwRQIhAJy92rujO1WgTko+d1xuH2UoZQBAbCCq3wASsmh2G16z\nAiANgfOjJlNeT56yaKwufeArkpisuspSe5YtW9mRq6QF2Q=" \
    "=\n-----END CERTIFICATE-----\n"

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of no one, made with openssl for test_sign_key.c: private and public parts in the forms that openssl writes. */
#ifndef TEST_UNIT_CRYPTO_SIGN_KEYS_H
#define TEST_UNIT_CRYPTO_SIGN_KEYS_H

#define K_RSA \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDGawVHeHqr5gnS\n" \
    "b95ho6Mx78mQ3q/8atxa0jesK8XgwcAQG4z6y7GXz39NUXjyKggn81UsDo+qjvLe\n" \
    "oR2fF4q+fowruDxbMKd63zgmsv8POTxWZI54zENsFQ/Qq1OFd8HBzLfb60o0mQcz\n" \
    "juzozei2E///Caq+ufD2i3o4vCHdmcfcwU52eIrg5uEEikDUZfaHbA4pzoc2Ww/M\n" \
    "na8Y+5OQVvlKh8mCdvCyFsi5VyquDPjZQB1Qsa0tKYhurMYqhcZhDpxUfDXXxPrY\n" \
    "KG4tYUpqR54tW42AgSfK7oWSOhjFUnRbyFs7Io6bRwRUEB+5YxBwhGEX0SO5adJd\n" \
    "7JLrl1wfAgMBAAECggEAMS1HMq6OoNoz5v8o+8Ql53OJ3qkCryoBEVV2zOpQceMz\n" \
    "agqaB3LCwmCAKbaepk56lQQ/QNsfCmPBmCIQiGS6U3pj3VYdR3CoodB/R0An7Sr/\n" \
    "ZF4p3ZCqyTfzIoHEAplq4VCO5SfMzXp8CXBMEWsvWSld0mUf94N4UHLDSRp/vj81\n" \
    "5P8b6i62d79xQLyTh+S1aOZhSpkirlEyZ+dK93a0BZ8MAlLeZgYKmsBvDeOy0d80\n" \
    "XOzmjPtOUkwq21GgvStj5Fh/6SDd7/brjPxeCdQfh+EKtSAfoF3COewQudUjmZ1A\n" \
    "L2BA3+Jir1njWzyvdWNL6ki2s2f5WWbGq3hqOveHqQKBgQD1a2Hb5qpdNbJgwch8\n" \
    "CrLxhmnGTzq0rVTo80hxEqRp55Q2qcK735TJARDJxHahq8juSSKpMZp9fQQTgzvN\n" \
    "hG9etwovoTfoq4IWCf8zv7pP9N9vUqSISDHFPqqWgMPc6adtjc8EIsugc6tS/lnv\n" \
    "JNF0LIW+jpl8t1+3swU87sQAGwKBgQDO+OYDYbIVK2NDR7FTfjfEP+m08wP0dfSh\n" \
    "WtO9O5HAzHEYL8iemrJb4NMnuWZ9SipZBHCtkiE0jHDWYDRGstoCW+K5bcwkLqCt\n" \
    "XGLlYX+OKtGQrZA4u9egVap6ZNJtPXMMR4djChqGzPWwx/3LjbN1oIwGGBOwwgSO\n" \
    "KFti26c8TQKBgDbugyfiWG2mkDeiCErjZiwzZseRglVgmqnNkoBkqNJfmEgn9UNy\n" \
    "Bu56w5Q12kvTlJTpX825IZhG/DuV2zPkGb18gNYqYsY8ZVCjijC+EGjHKZ/UQqmS\n" \
    "Zzl8DljDl5OB5QzbeeO2Ghfe7BEWh3DEr/Et6f2+E1LcBJusgVajJtHTAoGBALIS\n" \
    "j8OlEJUKKXM/gZ/2XoCpBKi81VBFFF6nSLntQLACteM7aX6cVoyaWNI6v6VYZCsG\n" \
    "mPOdYJhXpNWtHA0f4FZbPCyR/Su8Ol4tuKDmS9rDmF7EFevaIeE/E1gO2sVGM3AD\n" \
    "MsbRcJU+Trz0tLWnixnPMeokWPyhUU4GBup9VduZAoGBAN1juMWA0jRjlZi2VMNh\n" \
    "QgptLe5Is8ItP6vdFOGkh7xdWfRJdGUnpa/3/hsXRA0wxGXbxrTqMSF2/8Wnm4YJ\n" \
    "VIJNAqSh/VVhmZFL83GQV7ovJnFFwT/FC2b1ZdvNGczxSVrcDR/fWE8gRc4Fdi9I\n" \
    "4WzU5Q2As1+RHiHdoXpymD1u\n" \
    "-----END PRIVATE KEY-----\n"
#define K_RSA_SMALL \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAJzLEKUgnZ10DSjg\n" \
    "JPMTFcTG9SLAGy9cmyT4x6Tx+NFw7KHNrpe7PSLivU755smstgi2a/BkgXbNg6Ss\n" \
    "FaUoTDCVP2bUn4NUqvXtjm6qlzxOXon8U+8Kw+USdOU9voFGFD7vzv+ERLQ2zzgE\n" \
    "WyixVTYwom0zr3VpmkNIVzkv0aSVAgMBAAECgYADhYwaKWFg5/pjsKUj0InsoYtf\n" \
    "/HCf37ScX/ob+lNcYOzvtW72eX4mCnG2FGbaoMZ166MBA0DlKjiKulLCIuWTKMZ+\n" \
    "xt+U4RLdwV+AitE5eO7RjlNRf+PogFhkHRDTige1fbwU5xFbskij5tg/GTyEPa14\n" \
    "4d1oUPtMH5q0nZ/lAQJBAMyrfEw+L31D9Wud9G+F/USqlFf45wvNSGjGnZ0txwYo\n" \
    "j6nGXRO7ZvKdFwRMwrffMgaFtsK7MUaekn5psPVeQycCQQDEHbuvn0iY1oKNi/hv\n" \
    "oTIkFk8uo2jUSKF9APuMOlyJGEonJsjZL8cRWsrUNFI9AZXerwzRQGiXOWlT3uKb\n" \
    "Dr/jAkAc5y6zeaitMPasju7g/PQKSWiPj9fZA9Fw8nN5qehMR1gaaqfkTHe6VVLV\n" \
    "yZ1J6Bwhbaqkj1jjFyuq7HQQApLLAkBgA0KAz5WGJfbSf4VIeX2Hx1hKt/u5ejl9\n" \
    "bn64f1YQVFDxa/6GvepSp8WHMHpWnbEWzVKUG1lZN+VGB2efjBALAkAz0C20MqzE\n" \
    "+YBwzEmcQtkO0Nsm9/u7JVm6Fu0NObsaOdBivEipDrmbwV4pFGw0yVfNziHb43p+\n" \
    "oULSn8Yq3q3P\n" \
    "-----END PRIVATE KEY-----\n"
#define K_P256_SEC1 \
    "-----BEGIN EC PARAMETERS-----\n" \
    "BggqhkjOPQMBBw==\n" \
    "-----END EC PARAMETERS-----\n" \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MHcCAQEEIJFJhKnB60OfMy4Ty6cgGINbYmTeEh2xcJBclMXhGuhxoAoGCCqGSM49\n" \
    "AwEHoUQDQgAElj6hwoXS+pNF8LSQ8cDW2DQ/vMWlo4y30wneaD5YJPROs5StdpFU\n" \
    "9NsI3QAZ+8XbjPvOA5/RmYiYLlxGmigG1A==\n" \
    "-----END EC PRIVATE KEY-----\n"
#define K_P256 \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkUmEqcHrQ58zLhPL\n" \
    "pyAYg1tiZN4SHbFwkFyUxeEa6HGhRANCAASWPqHChdL6k0XwtJDxwNbYND+8xaWj\n" \
    "jLfTCd5oPlgk9E6zlK12kVT02wjdABn7xduM+84Dn9GZiJguXEaaKAbU\n" \
    "-----END PRIVATE KEY-----\n"
#define K_P384 \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MIGkAgEBBDBZjagWqsB0XhB5swpEcVSMdYqizc0sMPQ11ELcddR3qG/2IcrcyWpv\n" \
    "bE3d1QzatEmgBwYFK4EEACKhZANiAASpiTKGlnIwmWcCa9bEpsoYfmmDGiC8CRhH\n" \
    "hvsw5eNQko56NhyMro0EqL6p4jkoKTS76+9no+t8LsUcj+9Xb3BL7jGMChPFlvPx\n" \
    "kRa9Xgl/iWiLq9l56qtlDNXbndDvK8w=\n" \
    "-----END EC PRIVATE KEY-----\n"
#define K_P521 \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MIHcAgEBBEIAtWBab6lilBrO7xQIjHlvHkT48xetT3lcL63Ra0g2YBqcBM1dy7e1\n" \
    "l6ujl9INxYbkeZBue/nGIgN0PXHYKkgZRB+gBwYFK4EEACOhgYkDgYYABAHZYBEs\n" \
    "bfeQrMBHUrHrMXtKpG073JRH3shSwSjfdUUlH2VDdtBL3d86A303wNpdqA0hEQu0\n" \
    "GGHbnaTDPs8AxJqkhwGYz6iXNhN0wfrxBoiTabR46kx8iTc+aBTRse2YE1yfmi8G\n" \
    "v5kwQ5tUDTT0wTgUfADWgwxkvjmzhBF3kjdSA+fhTg==\n" \
    "-----END EC PRIVATE KEY-----\n"
#define K_ENCRYPTED \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhDrFooaGMYKgICCAAw\n" \
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFSEcorSzv/ncN8o3t01zYEEgZCb\n" \
    "X88qAWc3OUDdG8YtVKpvQbojukAYGqiOKi5tKdlcLomztDkni033wqs1QmyQd5a4\n" \
    "iY/fyzTBWv+JQv4q+Cye5CN6fOCvb/MT91AHk/l3IUjrEviLsdyUfZhRxkFt0ePR\n" \
    "DG8FzBVAogUEpHMjqQ8ylj3JjgLpPsKc8DKO0zcTdxERQwcDpkHGTbnSyEM2EMQ=\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"
#define K_RSA_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxmsFR3h6q+YJ0m/eYaOj\n" \
    "Me/JkN6v/GrcWtI3rCvF4MHAEBuM+suxl89/TVF48ioIJ/NVLA6Pqo7y3qEdnxeK\n" \
    "vn6MK7g8WzCnet84JrL/Dzk8VmSOeMxDbBUP0KtThXfBwcy32+tKNJkHM47s6M3o\n" \
    "thP//wmqvrnw9ot6OLwh3ZnH3MFOdniK4ObhBIpA1GX2h2wOKc6HNlsPzJ2vGPuT\n" \
    "kFb5SofJgnbwshbIuVcqrgz42UAdULGtLSmIbqzGKoXGYQ6cVHw118T62ChuLWFK\n" \
    "akeeLVuNgIEnyu6FkjoYxVJ0W8hbOyKOm0cEVBAfuWMQcIRhF9EjuWnSXeyS65dc\n" \
    "HwIDAQAB\n" \
    "-----END PUBLIC KEY-----\n"
#define K_P256_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElj6hwoXS+pNF8LSQ8cDW2DQ/vMWl\n" \
    "o4y30wneaD5YJPROs5StdpFU9NsI3QAZ+8XbjPvOA5/RmYiYLlxGmigG1A==\n" \
    "-----END PUBLIC KEY-----\n"
#define K_P384_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqYkyhpZyMJlnAmvWxKbKGH5pgxogvAkY\n" \
    "R4b7MOXjUJKOejYcjK6NBKi+qeI5KCk0u+vvZ6PrfC7FHI/vV29wS+4xjAoTxZbz\n" \
    "8ZEWvV4Jf4loi6vZeeqrZQzV253Q7yvM\n" \
    "-----END PUBLIC KEY-----\n"

#endif

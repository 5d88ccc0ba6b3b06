/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates that no door should show, made with openssl: an RSA key of 1024 bits (which signs itself), and one that its CA signed with SHA-1. */
#ifndef SP_TEST_WEAK_CERTS_H
#define SP_TEST_WEAK_CERTS_H

static const char short_key_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB9jCCAV+gAwIBAgIUVSz+15UQ6oewZlDQvD1XeaohyJkwDQYJKoZIhvcNAQEL\n"
    "BQAwDDEKMAgGA1UEAwwBdzAgFw0yNjExMzAwMzE3MTRaGA8yMTI2MTEwNjAzMTcx\n"
    "NFowDDEKMAgGA1UEAwwBdzCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEApV25\n"
    "VgP5s9XUq8iPxW9tEV2hM+1pVU3sBCph0XzRcGvoDu7gwf7kC/I+XUOvCfYNW/xe\n"
    "vzZ+dTF0XBJ4iBKMKwr7YoQwF+zoBdzhE4VIspensHMLR77+8MtbJ2ODqyZvI4nT\n"
    "hAHfrxWD4Wn6kYGws+DJk+IWnpTHRhlJqmrqW50CAwEAAaNTMFEwHQYDVR0OBBYE\n"
    "FHbp4ik/0xirPgJRDj+jWs2Picz5MB8GA1UdIwQYMBaAFHbp4ik/0xirPgJRDj+j\n"
    "Ws2Picz5MA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAHlxiOD3m\n"
    "d+olN1ARhK2CkD380fpbuf97R61nbtP4K+InkJpbIvM032eSK4D0SQgQ3E4AgB44\n"
    "H8MbCcTZEtunQk5iQPmA3NcIDmstxOitzSD574wguE9VhMbCyzZc66JCW6IJtePA\n"
    "WQVLnBVjwOj16N69ByvFWAaf34jfuJ2I1hA=\n"
    "-----END CERTIFICATE-----\n";
static const char sha1_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBADCBqAIBBzAJBgcqhkjOPQQBMA0xCzAJBgNVBAMMAmNhMCAXDTI2MTEzMDAz\n"
    "MTcxNFoYDzIxMjYxMTA2MDMxNzE0WjAMMQowCAYDVQQDDAFzMFkwEwYHKoZIzj0C\n"
    "AQYIKoZIzj0DAQcDQgAEo1ql9sJvo+8JwX3/4kUv0wj8TfQddLkWGGEEC+Dk1X84\n"
    "KlkH1SczNDrjvWGiV3dqCi1LR19N/XpGimi58NW8JzAJBgcqhkjOPQQBA0gAMEUC\n"
    "IQDWH17JKfojvE4A7kbx73hnQxyuJS10qE4pONvG0GW39AIgHrpB8IebkNsGUjjZ\n"
    "5/S8WXbPbLF70emNlOLKLR93Xyc=\n"
    "-----END CERTIFICATE-----\n";

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A key of no one, made with openssl, its public half as a JWK's members, and the thumbprint of that. */
#ifndef TEST_UNIT_FILTERS_EC_KEY_H
#define TEST_UNIT_FILTERS_EC_KEY_H

#define KEY_PEM \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkUmEqcHrQ58zLhPL\n" \
    "pyAYg1tiZN4SHbFwkFyUxeEa6HGhRANCAASWPqHChdL6k0XwtJDxwNbYND+8xaWj\n" \
    "jLfTCd5oPlgk9E6zlK12kVT02wjdABn7xduM+84Dn9GZiJguXEaaKAbU\n" \
    "-----END PRIVATE KEY-----\n"
#define KEY_JWK \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"lj6hwoXS-pNF8LSQ8cDW2DQ_vMWlo4y30wneaD5YJPQ\"," \
    "\"y\":\"TrOUrXaRVPTbCN0AGfvF24z7zgOf0ZmImC5cRpooBtQ\""
#define KEY_JKT "FIbz5gG_MNSshpaN9A3aNSHWRhcvEvjs65W49ZKLZx8"

#endif

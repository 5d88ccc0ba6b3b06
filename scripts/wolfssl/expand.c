/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HKDF-Expand-Label (RFC 8446 section 7.1) of one block of SHA-256, without the library's HMAC around it: a handshake has some twenty of
 * them.  scripts/deps puts this into wolfSSL's tls13.c.  What a secret was made ready to is kept for its key and its IV, on the stack.
 */
enum { SP_LABEL_MAX = 4 + 255 + WC_SHA256_DIGEST_SIZE }; /* lengths, label, hash of the messages */

typedef struct sp_keyed {
    wc_Sha256 inner, outer;
    int ready;
} sp_keyed;

static int sp_keyed_init(sp_keyed* k, const byte* secret, word32 size)
{
    byte block[WC_SHA256_BLOCK_SIZE];
    word32 i;
    int ret;
    XMEMSET(block, 0x36, sizeof(block));
    for (i = 0; i < size; i++)
        block[i] ^= secret[i];
    if ((ret = wc_InitSha256(&k->inner)) == 0 && (ret = wc_InitSha256(&k->outer)) == 0 &&
        (ret = wc_Sha256Update(&k->inner, block, sizeof(block))) == 0) {
        for (i = 0; i < sizeof(block); i++)
            block[i] ^= 0x36 ^ 0x5c;
        ret = wc_Sha256Update(&k->outer, block, sizeof(block));
    }
    ForceZero(block, sizeof(block));
    k->ready = ret == 0;
    return ret;
}

static int sp_keyed_expand(const sp_keyed* k, byte* out, word32 size, const byte* protocol, word32 protocolLen, const byte* label,
                           word32 labelLen, const byte* info, word32 infoLen)
{
    byte data[SP_LABEL_MAX + 1], digest[WC_SHA256_DIGEST_SIZE];
    word32 n = 0;
    wc_Sha256 hash = k->inner;
    int ret;
    data[n++] = (byte)(size >> 8);
    data[n++] = (byte)size;
    data[n++] = (byte)(protocolLen + labelLen);
    XMEMCPY(data + n, protocol, protocolLen);
    n += protocolLen;
    XMEMCPY(data + n, label, labelLen);
    n += labelLen;
    data[n++] = (byte)infoLen;
    if (infoLen)
        XMEMCPY(data + n, info, infoLen);
    n += infoLen;
    data[n++] = 1; /* the first block, and the last */
    if ((ret = wc_Sha256Update(&hash, data, n)) == 0 && (ret = wc_Sha256Final(&hash, digest)) == 0) {
        hash = k->outer;
        if ((ret = wc_Sha256Update(&hash, digest, sizeof(digest))) == 0 && (ret = wc_Sha256Final(&hash, digest)) == 0)
            XMEMCPY(out, digest, size);
    }
    ForceZero(data, n);
    ForceZero(digest, sizeof(digest));
    ForceZero(&hash, sizeof(hash));
    return ret;
}

/* As wc_Tls13_HKDF_Expand_Label_ex. */
static int sp_expand_label(byte* out, word32 size, const byte* secret, word32 secretLen, const byte* protocol, word32 protocolLen,
                           const byte* label, word32 labelLen, const byte* info, word32 infoLen, int digest, void* heap, int devId)
{
    sp_keyed k;
    int ret;
    if (digest != WC_SHA256 || size > WC_SHA256_DIGEST_SIZE || secretLen > WC_SHA256_BLOCK_SIZE ||
        4 + protocolLen + labelLen + infoLen > SP_LABEL_MAX)
        return wc_Tls13_HKDF_Expand_Label_ex(out, size, secret, secretLen, protocol, protocolLen, label, labelLen, info, infoLen, digest,
                                             heap, devId);
    if ((ret = sp_keyed_init(&k, secret, secretLen)) == 0)
        ret = sp_keyed_expand(&k, out, size, protocol, protocolLen, label, labelLen, info, infoLen);
    ForceZero(&k, sizeof(k));
    return ret;
}

/* As Tls13DeriveKey, of a key or an IV: `keyed` is the client's and the server's, whose secrets are the same until the end. */
static int sp_derive_key(WOLFSSL* ssl, sp_keyed* keyed, byte* out, int size, const byte* secret, const byte* label, word32 labelLen, int mac,
                         int messages, int side)
{
    sp_keyed* k = &keyed[side == WOLFSSL_SERVER_END];
    int ret;
    if (mac != sha256_mac || messages || ssl->options.dtls || size < 0 || size > WC_SHA256_DIGEST_SIZE)
        return Tls13DeriveKey(ssl, out, size, secret, label, labelLen, mac, messages, side);
    if (!k->ready && (ret = sp_keyed_init(k, secret, WC_SHA256_DIGEST_SIZE)) != 0)
        return ret;
    return sp_keyed_expand(k, out, (word32)size, tls13ProtocolLabel, TLS13_PROTOCOL_LABEL_SZ, label, labelLen, NULL, 0);
}

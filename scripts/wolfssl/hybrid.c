/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem, group 4588) for wolfSSL 5.7.2, which has ML-KEM-768 but no group of TLS with it:
 * scripts/deps puts this into src/tls.c in place of the hybrids there, which are of a draft that nobody speaks any more.
 * On the wire ML-KEM comes first and X25519 behind it: the client's key, the server's ciphertext, and both secrets.
 */
enum { SP_EK = 1184, SP_DK = 2400, SP_CT = 1088, SP_SECRET = 32, SP_X = 32 };

static int TLSX_KeyShare_GroupRank(const WOLFSSL* ssl, int group);

/* A key pair: SP_X bytes each. */
static int sp_x25519_pair(WOLFSSL* ssl, byte* ret_private, byte* ret_public)
{
    curve25519_key key;
    word32 n_private = SP_X, n_public = SP_X;
    int ret = wc_curve25519_init_ex(&key, ssl->heap, INVALID_DEVID);
    if (ret != 0)
        return ret;
    ret = wc_curve25519_make_key(ssl->rng, SP_X, &key);
    if (ret == 0)
        ret = wc_curve25519_export_key_raw_ex(&key, ret_private, &n_private, ret_public, &n_public, EC25519_LITTLE_ENDIAN);
    wc_curve25519_free(&key);
    ForceZero(&key, sizeof(key));
    return ret;
}

/* RFC 8446 section 7.4.2: a secret of zeros is that of a peer whose key is none. */
static int sp_x25519_secret(WOLFSSL* ssl, const byte* private, const byte* public, byte* ret)
{
    curve25519_key own, peer;
    word32 n = SP_X;
    byte any = 0;
    int r;
    wc_curve25519_init_ex(&own, ssl->heap, INVALID_DEVID);
    wc_curve25519_init_ex(&peer, ssl->heap, INVALID_DEVID);
    r = wc_curve25519_import_private_ex(private, SP_X, &own, EC25519_LITTLE_ENDIAN);
    if (r == 0)
        r = wc_curve25519_import_public_ex(public, SP_X, &peer, EC25519_LITTLE_ENDIAN);
    if (r == 0)
        r = wc_curve25519_shared_secret_ex(&own, &peer, ret, &n, EC25519_LITTLE_ENDIAN);
    for (n = 0; r == 0 && n < SP_X; n++)
        any |= ret[n];
    wc_curve25519_free(&own);
    wc_curve25519_free(&peer);
    ForceZero(&own, sizeof(own));
    return r == 0 && any == 0 ? ECC_OUT_OF_RANGE_E : r;
}

/* The client's share: both keys; privKey holds both private ones until the server's answer. */
static int sp_hybrid_offer(WOLFSSL* ssl, KeyShareEntry* kse)
{
    KyberKey kem;
    byte *public, *private;
    int ret;
    if (kse->pubKey != NULL) /* called again */
        return 0;
    public = (byte*)XMALLOC(SP_EK + SP_X, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
    private = (byte*)XMALLOC(SP_DK + SP_X, ssl->heap, DYNAMIC_TYPE_PRIVATE_KEY);
    ret = public != NULL && private != NULL ? wc_KyberKey_Init(KYBER768, &kem, ssl->heap, ssl->devId) : MEMORY_E;
    if (ret == 0) {
        ret = wc_KyberKey_MakeKey(&kem, ssl->rng);
        if (ret == 0)
            ret = wc_KyberKey_EncodePublicKey(&kem, public, SP_EK);
        if (ret == 0)
            ret = wc_KyberKey_EncodePrivateKey(&kem, private, SP_DK);
        if (ret == 0)
            ret = sp_x25519_pair(ssl, private + SP_DK, public + SP_EK);
        wc_KyberKey_Free(&kem);
        ForceZero(&kem, sizeof(kem));
    }
    if (ret == 0) {
        kse->pubKey = public;
        kse->pubKeyLen = SP_EK + SP_X;
        kse->privKey = private;
        kse->privKeyLen = SP_DK + SP_X;
        return 0;
    }
    if (private != NULL)
        ForceZero(private, SP_DK + SP_X);
    XFREE(public, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
    XFREE(private, ssl->heap, DYNAMIC_TYPE_PRIVATE_KEY);
    return ret;
}

/* The server's answer to a client's share: pubKey is what is sent, ke the secret. Nothing is made for a group that is not ours to take. */
static int sp_hybrid_answer(WOLFSSL* ssl, KeyShareEntry* kse, const byte* share, word16 len)
{
    KyberKey kem;
    byte *public, *secret, private[SP_X];
    int ret;
    if (TLSX_KeyShare_GroupRank(ssl, kse->group) < 0)
        return 0;
    if (len != SP_EK + SP_X)
        return BAD_KEY_SHARE_DATA;
    public = (byte*)XMALLOC(SP_CT + SP_X, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
    secret = (byte*)XMALLOC(2 * SP_SECRET, ssl->heap, DYNAMIC_TYPE_SECRET);
    ret = public != NULL && secret != NULL ? wc_KyberKey_Init(KYBER768, &kem, ssl->heap, ssl->devId) : MEMORY_E;
    if (ret == 0) {
        ret = wc_KyberKey_DecodePublicKey(&kem, share, SP_EK);
        if (ret == 0)
            ret = wc_KyberKey_Encapsulate(&kem, public, secret, ssl->rng);
        if (ret == 0)
            ret = sp_x25519_pair(ssl, private, public + SP_CT);
        if (ret == 0)
            ret = sp_x25519_secret(ssl, private, share + SP_EK, secret + SP_SECRET) == 0 ? 0 : BAD_KEY_SHARE_DATA;
        wc_KyberKey_Free(&kem);
        ForceZero(&kem, sizeof(kem));
    }
    ForceZero(private, sizeof(private));
    if (ret == 0) {
        XFREE(kse->ke, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
        XFREE(kse->pubKey, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
        kse->ke = secret;
        kse->keLen = 2 * SP_SECRET;
        kse->pubKey = public;
        kse->pubKeyLen = SP_CT + SP_X;
        ssl->namedGroup = kse->group; /* for the group's name */
        return 0;
    }
    if (secret != NULL)
        ForceZero(secret, 2 * SP_SECRET);
    XFREE(public, ssl->heap, DYNAMIC_TYPE_PUBLIC_KEY);
    XFREE(secret, ssl->heap, DYNAMIC_TYPE_SECRET);
    return ret;
}

/* To the pre-master secret: the server's was made with its answer, the client's is made of that answer. */
static int sp_hybrid_secret(WOLFSSL* ssl, KeyShareEntry* kse)
{
    KyberKey kem;
    byte* secret = ssl->arrays->preMasterSecret;
    int ret;
    if (kse->ke == NULL)
        return BAD_KEY_SHARE_DATA;
    if (ssl->options.side == WOLFSSL_SERVER_END) {
        if (kse->keLen != 2 * SP_SECRET)
            return BAD_KEY_SHARE_DATA;
        XMEMCPY(secret, kse->ke, 2 * SP_SECRET);
        ssl->arrays->preMasterSz = 2 * SP_SECRET;
        ForceZero(kse->ke, kse->keLen);
        XFREE(kse->ke, ssl->heap, DYNAMIC_TYPE_SECRET);
        kse->ke = NULL;
        kse->keLen = 0;
        return 0;
    }
    if (kse->keLen != SP_CT + SP_X || kse->privKey == NULL || kse->privKeyLen != SP_DK + SP_X)
        return BAD_KEY_SHARE_DATA;
    ret = wc_KyberKey_Init(KYBER768, &kem, ssl->heap, ssl->devId);
    if (ret != 0)
        return ret;
    ret = wc_KyberKey_DecodePrivateKey(&kem, kse->privKey, SP_DK);
    if (ret == 0)
        ret = wc_KyberKey_Decapsulate(&kem, secret, kse->ke, SP_CT);
    if (ret == 0)
        ret = sp_x25519_secret(ssl, kse->privKey + SP_DK, kse->ke + SP_CT, secret + SP_SECRET) == 0 ? 0 : BAD_KEY_SHARE_DATA;
    if (ret == 0)
        ssl->arrays->preMasterSz = 2 * SP_SECRET;
    wc_KyberKey_Free(&kem);
    ForceZero(&kem, sizeof(kem));
    return ret;
}

// SPDX-License-Identifier: GPL-2.0-or-later
// A real OAuth 2.0 and OpenID Connect server (npm's oidc-provider) for the integration tests; lib/idp.py starts it.
//
//   node server.mjs DIR CONFIG.json      DIR: what scripts/idp printed
//
// One port speaks HTTP, another TLS that asks for a client certificate and takes any: RFC 8705 trusts what was registered.
// Under /test/ are the tests' own commands: rotate the keys, break or slow down a path, count requests.
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [dir, file] = process.argv.slice(2);
const config = JSON.parse(fs.readFileSync(file, 'utf8'));
const { default: Provider } = await import(pathToFileURL(path.join(dir, 'node_modules/oidc-provider/lib/index.js')));

const DPOP_NONCE = createHash('sha256').update('nonces of a test').digest();
let serial = 0;
let keys = [];

// The first key of a kind signs.
function addKeys() {
  serial += 1;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  keys = [
    { ...rsa, kid: `rsa-${serial}`, alg: 'RS256', use: 'sig' },
    { ...ec, kid: `ec-${serial}`, alg: 'ES256', use: 'sig' },
    ...keys,
  ];
}

// What a resource indicator (RFC 8707) asks for: urn:api:jwt, urn:api:jwt:es256, urn:api:opaque, urn:api:opaque:2 (seconds to live).
function resourceServer(resource) {
  const [, , kind, more] = resource.split(':');
  const jwt = kind === 'jwt';
  return {
    scope: config.scopes.join(' '),
    audience: resource,
    accessTokenFormat: jwt ? 'jwt' : 'opaque',
    accessTokenTTL: /^\d+$/.test(more ?? '') ? Number(more) : 3600,
    ...(jwt ? { jwt: { sign: { alg: (more ?? 'rs256').toUpperCase() } } } : {}),
  };
}

const certificate = (ctx) => {
  const c = ctx.socket.getPeerCertificate?.();
  return c?.raw ? new X509Certificate(c.raw) : undefined;
};

function handler() {
  const provider = new Provider(config.issuer, {
    clients: config.clients,
    jwks: { keys },
    scopes: config.scopes,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'self_signed_tls_client_auth', 'none'],
    ttl: { ClientCredentials: (ctx, token) => token.resourceServer?.accessTokenTTL ?? 3600 },
    extraTokenClaims: async (ctx, token) => config.claims[token.clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async (ctx, client) => client.clientId.startsWith('rs-') },
      revocation: { enabled: true },
      dPoP: { enabled: true, nonceSecret: DPOP_NONCE, requireNonce: () => config.dpop_nonce },
      mTLS: {
        enabled: true, certificateBoundAccessTokens: true, selfSignedTlsClientAuth: true, getCertificate: certificate,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined,
        getResourceServerInfo: async (ctx, resource) => resourceServer(resource),
        useGrantedResource: async () => true,
      },
    },
  });
  return provider.callback();
}

addKeys();
let serve = handler();
const counts = {};
let faults = {};

const commands = {
  rotate: () => { addKeys(); serve = handler(); return { kids: keys.map((k) => k.kid) }; },
  forget: () => { keys = keys.slice(0, 2); serve = handler(); return { kids: keys.map((k) => k.kid) }; },
  // {"/token/introspection": {"status": 503, "delay_ms": 100, "body": "...", "type": "..."}}
  faults: (body) => { faults = JSON.parse(body || '{}'); return faults; },
  counts: () => counts,
};

function command(req, res, name) {
  let body = '';
  req.on('data', (piece) => { body += piece; });
  req.on('end', () => {
    const run = commands[name];
    res.writeHead(run ? 200 : 404, { 'content-type': 'application/json' });
    res.end(JSON.stringify(run ? run(body) : {}));
  });
}

function answer(req, res) {
  const where = req.url.split('?')[0];
  if (where.startsWith('/test/')) {
    command(req, res, where.slice('/test/'.length));
    return;
  }
  counts[where] = (counts[where] ?? 0) + 1;
  const fault = faults[where] ?? {};
  setTimeout(() => {
    if (fault.status) {
      res.writeHead(fault.status, { 'content-type': fault.type ?? 'application/json' });
      res.end(fault.body ?? '');
    } else {
      serve(req, res);
    }
  }, fault.delay_ms ?? 0);
}

http.createServer(answer).listen(config.port, '127.0.0.1');
https.createServer({
  cert: fs.readFileSync(config.cert), key: fs.readFileSync(config.key), requestCert: true, rejectUnauthorized: false,
}, answer).listen(config.tls_port, '127.0.0.1');

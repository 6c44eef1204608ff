import { codeOf } from '../../errors.js'
import { reasonOf } from '../result.js'

/** Why there is no connection: at which step, the system's code, and words for it. */
export class ConnectFault extends Error {
  constructor(
    readonly step: 'name' | 'connection' | 'certificate' | 'http version',
    readonly code: string,
    message: string,
    readonly remedy: string,
  ) {
    super(message)
  }
}

const RENEW = 'renew it (most panels: AutoSSL or Let’s Encrypt), and reload the web server'
const ISSUE = 'have one issued by an authority that browsers know (most panels: AutoSSL or Let’s Encrypt)'

/** What a failed TLS handshake means. */
export function tlsFault(error: Error, host: string, port: number): ConnectFault {
  const code = codeOf(error)
  if (/NO_APPLICATION_PROTOCOL/.test(code)) {
    return new ConnectFault(
      'http version',
      code,
      `port ${port} refuses HTTP/1.1, so it most likely speaks HTTP/2 alone, which doctor cannot look at`,
      'let the web server offer HTTP/1.1 too, or look at the server behind it: proxies and health checks speak HTTP/1.1',
    )
  }
  const known: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
    CERT_HAS_EXPIRED: ['the certificate has expired', RENEW],
    CERT_NOT_YET_VALID: ['the certificate is not valid yet', 'look at the clocks of both machines'],
    DEPTH_ZERO_SELF_SIGNED_CERT: ['the certificate is self-signed', ISSUE],
    SELF_SIGNED_CERT_IN_CHAIN: ['the certificate comes from an authority of somebody’s own', ISSUE],
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
      'the certificate comes without the one that signed it',
      'install the full chain (fullchain.pem), not the certificate alone',
    ],
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
      'the certificate comes from an authority that is not known here',
      ISSUE,
    ],
    ERR_TLS_CERT_ALTNAME_INVALID: [
      `the certificate is for another name than "${host}"`,
      'have one issued for this name; on a new site the panel’s own may still be in its place',
    ],
    CERT_REVOKED: ['the certificate was revoked', RENEW],
  }
  const [what, remedy] = known[code] ?? [
    /wrong version number|packet length too long/i.test(error.message)
      ? `port ${port} does not speak TLS`
      : `the TLS handshake failed (${code || reasonOf(error)})`,
    'look at what listens there, and at its TLS settings; for a plain address use http:',
  ]
  return new ConnectFault('certificate', code, `${what}${code in known ? ` (${code})` : ''}`, remedy)
}

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { giveToUser, userFolder } from './user.js'

export interface Certificate {
  readonly certificateFile: string
  readonly keyFile: string
  /** For clients: the certificate itself, which is its own authority. */
  readonly pem: string
}

let made: Certificate | null = null

/** A certificate for 127.0.0.1 and localhost that nobody has signed but itself; made once, while its folder lasts. */
export function certificate(): Certificate {
  if (made === null || !existsSync(made.keyFile)) made = make()
  return made
}

function make(): Certificate {
  const folder = userFolder()
  const certificateFile = join(folder, 'certificate.pem')
  const keyFile = join(folder, 'key.pem')
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
      .concat(['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'])
      .concat(['-keyout', keyFile, '-out', certificateFile]),
    { stdio: 'pipe' },
  )
  giveToUser(keyFile)
  return { certificateFile, keyFile, pem: readFileSync(certificateFile, 'utf8') }
}

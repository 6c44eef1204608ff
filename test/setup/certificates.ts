import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshFolder } from '../support/folder.js'

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** The certificate's file, for NODE_EXTRA_CA_CERTS. */
  readonly file: string
}

/** A certificate that is its own authority, for one name, valid from yesterday or, when `expired`, until 2021. */
export function makeCertificate(name: string, expired = false): Certificate {
  const folder = freshFolder()
  const files = {
    key: join(folder, 'key.pem'),
    request: join(folder, 'request.pem'),
    file: join(folder, 'cert.pem'),
  }
  // `openssl req` takes no dates, only days from now; `openssl ca` does, and wants a small authority around it.
  writeFileSync(
    join(folder, 'ca.cnf'),
    `[ca]\ndefault_ca = own\n[own]\ndatabase = ${folder}/index\nserial = ${folder}/serial\nnew_certs_dir = ${folder}
default_md = sha256\npolicy = any\nx509_extensions = extensions\n[any]\ncommonName = supplied
[extensions]\nbasicConstraints = CA:TRUE\nsubjectAltName = ${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}\n`,
  )
  writeFileSync(join(folder, 'index'), '')
  writeFileSync(join(folder, 'serial'), '01\n')
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  openssl(
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    files.key,
    '-out',
    files.request,
  )
  const dates = expired ? ['20200101000000Z', '20210101000000Z'] : ['20200101000000Z', '20491231000000Z']
  openssl(
    ...['ca', '-batch', '-notext', '-selfsign', '-config', join(folder, 'ca.cnf'), '-keyfile', files.key],
    ...[
      '-in',
      files.request,
      '-out',
      files.file,
      '-startdate',
      dates[0] as string,
      '-enddate',
      dates[1] as string,
    ],
  )
  return { key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.file, 'utf8'), file: files.file }
}

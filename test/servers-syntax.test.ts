import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { needProgram } from './setup/program.js'
import { freePort, get, listen, type RunningServer, startServer } from './setup/web-server.js'
import { freshFolder } from './support/folder.js'

const PROXY_CONF = fileURLToPath(new URL('../nginx/proxy.conf', import.meta.url))
const HTACCESS = fileURLToPath(new URL('../apache/.htaccess', import.meta.url))
const APACHE_MODULES = '/usr/lib/apache2/modules'

describe('the nginx file', () => {
  let nginx: string
  before(function () {
    nginx = needProgram(this, 'nginx', 'nginx-light')
  })

  it('is accepted by nginx as it stands', () => {
    const folder = freshFolder()
    const config = writeNginx(folder, 8080, readFileSync(PROXY_CONF, 'utf8'))
    const { status, stderr } = spawnSync(nginx, ['-t', '-p', folder, '-c', config], { encoding: 'utf8' })
    expect(status, stderr).to.equal(0)
  })

  it('has one line to change, and then streams through a server that compresses everything', async () => {
    const app = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: 1\n\n')
      // nginx passes on at once what came together with the headers; it is the next event that it would keep.
      setTimeout(() => response.write('data: 2\n\n'), 50)
    })
    let server: RunningServer | null = null
    try {
      server = await startNginx(nginx, await listen(app))
      for (const path of ['/stream/orders.sse', '/sse/orders']) {
        const answer = await get(server.port, path, 'data: 2')
        expect(answer.status).to.equal(200)
        expect(answer.headers['content-encoding']).to.equal(undefined)
      }
    } finally {
      app.close()
      await server?.stop()
    }
  })

  it('answers with an empty stream while the app is down, so that browsers come back', async () => {
    const server = await startNginx(nginx, await freePort())
    try {
      const answer = await get(server.port, '/stream/orders.sse')
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.equal('text/event-stream')
      expect(answer.headers['cache-control']).to.equal('no-store, no-transform')
      expect(answer.body).to.equal(': the app is restarting\n')
      expect((await get(server.port, '/page')).status).to.equal(404)
    } finally {
      await server.stop()
    }
  })
})

describe('the Apache file', () => {
  const base = ['mpm_event', 'authz_core', 'mime']
  const full = [...base, 'setenvif', 'headers', 'rewrite', 'filter', 'deflate']
  let apache: string
  before(function () {
    apache = needProgram(this, 'apache2', 'apache2')
  })

  it('is obeyed by Apache: streams are not compressed, pages still are', async () => {
    const server = await startApache(apache, full)
    try {
      const stream = await get(server.port, '/feed.sse')
      expect(stream.status).to.equal(200)
      expect(stream.headers['content-encoding']).to.equal(undefined)
      expect(stream.headers['x-accel-buffering']).to.equal('no')
      const page = await get(server.port, '/page.txt')
      expect(page.status).to.equal(200)
      expect(page.headers['content-encoding']).to.equal('gzip')
      expect(page.headers['x-accel-buffering']).to.equal(undefined)
    } finally {
      await server.stop()
    }
  })

  it('does no harm where Apache lacks the modules', async () => {
    const server = await startApache(apache, base)
    try {
      expect((await get(server.port, '/feed.sse')).status).to.equal(200)
    } finally {
      await server.stop()
    }
  })
})

async function startNginx(nginx: string, appPort: number): Promise<RunningServer> {
  const folder = freshFolder()
  const port = await freePort()
  const lines = readFileSync(PROXY_CONF, 'utf8').split('http://127.0.0.1:3000')
  expect(lines, 'places that name the app').to.have.length(2)
  const config = writeNginx(folder, port, lines.join(`http://127.0.0.1:${appPort}`))
  return startServer(
    nginx,
    ['-p', folder, '-c', config, '-g', 'daemon off;'],
    port,
    join(folder, 'error.log'),
  )
}

/** A host with buffering and compression for everything, and our file in its server block. */
function writeNginx(folder: string, port: number, proxy: string): string {
  const config = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(join(folder, 'proxy.conf'), proxy)
  writeFileSync(
    config,
    `worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    events {}
    http {
      ${temporary.join('\n')}
      access_log off;
      gzip on;
      gzip_types *;
      gzip_min_length 1;
      server {
        listen 127.0.0.1:${port};
        include ${folder}/proxy.conf;
        location / { return 404; }
      }
    }`,
  )
  return config
}

async function startApache(apache: string, modules: readonly string[]): Promise<RunningServer> {
  const folder = freshFolder()
  const port = await freePort()
  const site = join(folder, 'site')
  const config = join(folder, 'apache.conf')
  mkdirSync(site)
  // Apache's workers are another user, and mkdtemp folders are private.
  chmodSync(folder, 0o755)
  copyFileSync(HTACCESS, join(site, '.htaccess'))
  writeFileSync(join(site, 'feed.sse'), 'data: 1\n\n'.repeat(100))
  writeFileSync(join(site, 'page.txt'), 'A page.\n'.repeat(100))
  const builtIn = spawnSync(apache, ['-l'], { encoding: 'utf8' }).stdout
  const load = modules
    .filter((name) => !builtIn.includes(`mod_${name}.c`))
    .map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`)
  writeFileSync(
    config,
    `${load.join('\n')}
    ServerName localhost
    ServerRoot ${folder}
    DefaultRuntimeDir ${folder}
    PidFile ${folder}/apache.pid
    ErrorLog ${folder}/error.log
    Listen 127.0.0.1:${port}
    ${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
    TypesConfig /dev/null
    DocumentRoot ${site}
    <Directory ${site}>
      AllowOverride FileInfo
      Require all granted
      <IfModule mod_deflate.c>
        SetOutputFilter DEFLATE
      </IfModule>
    </Directory>`,
  )
  const { status, stderr } = spawnSync(apache, ['-t', '-f', config], { encoding: 'utf8' })
  expect(status, stderr).to.equal(0)
  return startServer(apache, ['-f', config, '-DFOREGROUND'], port, join(folder, 'error.log'))
}

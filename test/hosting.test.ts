import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { apacheFile, DEFLATE_ALL, startApache } from './servers/apache.js'
import { makeProject } from './servers/app.js'
import { needServers } from './servers/need-servers.js'
import { startNginx } from './servers/nginx.js'
import { startUnderPassenger } from './servers/passenger.js'
import { giveToUser } from './servers/user.js'
import { interpreterOf, LANGUAGES, type Language, runProgram } from './setup/publishers.js'
import { freePort, get } from './setup/web-server.js'
import { stream } from './support/sse.js'
import { until } from './support/wait.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const page = readFileSync(join(HERE, 'docs/hosting.md'), 'utf8')

/** The code blocks of one page of docs/hosting.md. */
function blocks(heading: string, language: string): string[] {
  const [, text = ''] = page.split(`\n## ${heading}\n`)
  const [section = ''] = text.split('\n## ')
  return [...section.matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code as string)
}

describe('docs/hosting.md', function () {
  this.timeout(60_000)

  it('brings a VPS with nginx to its first event, from the shell, from cron and from PHP', async function () {
    needServers(this, { layers: ['nginx'], http: 1 })
    const php = interpreterOf(this, LANGUAGES.find(({ name }) => name === 'PHP') as Language)
    // Step 1, but for what npm installs.
    const root = makeProject()
    writeFileSync(join(root, 'package.json'), '{"name":"app","type":"module"}')
    const readme = readFileSync(join(HERE, 'README.md'), 'utf8')
    const [, server = ''] = /A server that streams.*:\n\n```js\n([\s\S]*?)```/.exec(readme) ?? []
    writeFileSync(join(root, 'server.js'), server)
    // Step 2: what the unit says.
    const [unit = ''] = blocks('A VPS with nginx', 'ini')
    const [, start = ''] = /^ *ExecStart=\/usr\/bin\/node (.*)$/m.exec(unit) ?? []
    const [, environment = ''] = /^ *Environment=(.*)$/m.exec(unit) ?? []
    expect([start, environment]).to.deep.equal(['server.js', 'PORT=3000'])
    const port = await freePort()
    const env = { ...process.env, PORT: String(port) }
    const app = spawn(process.execPath, [start], { cwd: root, env, stdio: 'inherit' })
    const ended = new Promise((resolve) => app.once('exit', resolve))
    // Step 3: the block as it stands, with these folders and ports.
    const [site = ''] = blocks('A VPS with nginx', 'nginx')
    const inside = /^\s*server \{([\s\S]*)\}\s*$/.exec(site)?.[1] ?? ''
    const proxy = readFileSync(join(HERE, 'nginx/proxy.conf'), 'utf8')
    writeFileSync(join(root, 'proxy.conf'), proxy.replace('127.0.0.1:3000', `127.0.0.1:${port}`))
    const nginx = await startNginx({
      server: inside
        .replace(/listen 80;/, '')
        .replace('/home/me/app/node_modules/file-signal/nginx', root)
        .replaceAll('/home/me/app', root)
        .replace('127.0.0.1:3000', `127.0.0.1:${port}`),
    })
    try {
      await until(() => get(port, '/'), 'the app')
      writeFileSync(join(root, 'public/about.txt'), 'a file')
      giveToUser(join(root, 'public/about.txt'))
      expect((await get(nginx.port, '/about.txt')).body).to.equal('a file')
      // Step 5.
      const client = await stream(`http://127.0.0.1:${nginx.port}/orders.sse`)
      const [, shell = ''] = /^(npx file-signal signal \S+ '[^']*') +#/m.exec(page) ?? []
      const [, cron = ''] = /A crontab line: `\* \* \* \* \* (.*)`/.exec(page) ?? []
      mkdirSync(join(root, 'node_modules/.bin'))
      symlinkSync(join(HERE, 'dist/cli/main.js'), join(root, 'node_modules/.bin/file-signal'))
      for (const [line, cwd] of [
        [shell, root],
        [cron.replace('/home/me/app', root), '/'],
      ] as const) {
        const result = await runProgram('sh', ['-c', line], { cwd, env: { HOME: root } })
        expect(result.stdout, result.stderr).to.match(/^[0-9a-z]{8}-\d+\n/)
      }
      await runProgram(php, [join(HERE, 'examples/publishers/file-signal.php'), 'orders', '{"id":8}'], {
        env: { FILE_SIGNAL_ROOT: root },
      })
      await until(() => client.payloads().length === 3, 'three orders', 2000)
      expect(client.payloads()).to.deep.equal([{ id: 7 }, { id: 7 }, { id: 8 }])
      client.close()
      const [, doctor = ''] = /run `(npx file-signal doctor )https:[^`]*`/.exec(page) ?? []
      const line = `${doctor} http://127.0.0.1:${nginx.port}/orders.sse --publish orders`
      const result = await runProgram('sh', ['-c', line], { cwd: root, env: { HOME: root } })
      expect(result.code, result.stdout + result.stderr).to.equal(0)
    } finally {
      app.kill('SIGTERM')
      await ended
      await nginx.stop()
    }
  })

  it('brings cPanel’s Application Manager to it: Passenger, a start file app.js, everything compressed', async function () {
    needServers(this, { layers: ['Apache', 'Passenger'], http: 1 })
    const root = makeProject(join(HERE, 'examples/passenger'))
    const [, line = ''] = /make one of the\s+line `(.*)`/.exec(page) ?? []
    writeFileSync(join(root, 'app.js'), line)
    const site = { startFile: 'app.js', server: DEFLATE_ALL, htaccess: apacheFile('.htaccess') }
    const server = await startUnderPassenger(root, site)
    try {
      const url = `http://127.0.0.1:${server.port}/orders.sse`
      // Passenger may still be coming up when Apache listens.
      const client = await until(
        () => stream(url, { headers: { 'Accept-Encoding': 'gzip' } }),
        'the app',
        15_000,
      )
      await fetch(`http://127.0.0.1:${server.port}/orders`, { method: 'POST' })
      await until(() => client.payloads().length === 1, 'the order', 2000)
      client.close()
    } finally {
      await server.stop()
    }
  })

  it('brings an app on a port to it by .htaccess alone', async function () {
    needServers(this, { layers: ['Apache'], http: 1 })
    const root = makeProject(join(HERE, 'examples/passenger'))
    const port = await freePort()
    const env = { ...process.env, PORT: String(port) }
    const app = spawn(process.execPath, ['server.js'], { cwd: root, env, stdio: 'ignore' })
    const ended = new Promise((resolve) => app.once('exit', resolve))
    const htaccess = `${apacheFile('proxy.htaccess', port)}\n${apacheFile('.htaccess')}`
    const server = await startApache({ server: DEFLATE_ALL, htaccess })
    try {
      await until(() => get(port, '/'), 'the app')
      const client = await stream(`http://127.0.0.1:${server.port}/orders.sse`)
      await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST' })
      await until(() => client.payloads().length === 1, 'the order', 2000)
      client.close()
    } finally {
      app.kill('SIGTERM')
      await ended
      await server.stop()
    }
  })
})

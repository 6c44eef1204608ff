import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type ClientAddressOptions, clientAddress, FileSignalError } from 'file-signal'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

describe('clientAddress', () => {
  /** What the server makes of a request with this X-Forwarded-For. */
  async function seen(forwarded: string | null, options?: ClientAddressOptions, socketPath?: string) {
    const addressOf = clientAddress(options)
    const server = http.createServer((req, res) => res.end(String(addressOf(req))))
    await new Promise<void>((resolve) => {
      if (socketPath) server.listen(socketPath, resolve)
      else server.listen(0, '127.0.0.1', resolve)
    })
    const target = socketPath ? { socketPath } : { port: (server.address() as AddressInfo).port }
    const headers = forwarded === null ? {} : { 'X-Forwarded-For': forwarded }
    try {
      return await new Promise<string>((resolve, reject) => {
        http
          .get({ ...target, host: '127.0.0.1', agent: false, headers }, (response) => {
            let text = ''
            response.on('data', (data) => {
              text += data
            })
            response.on('end', () => resolve(text))
          })
          .on('error', reject)
      })
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  }

  it('is the one that the web server of this machine has seen, whatever the client claims', async () => {
    expect(await seen(null)).to.equal('127.0.0.1')
    expect(await seen('203.0.113.7')).to.equal('203.0.113.7')
    expect(await seen('10.1.1.1, 198.51.100.2, 203.0.113.7')).to.equal('203.0.113.7')
    expect(await seen('2001:db8::1')).to.equal('2001:db8::1')
  })

  it('goes on through proxies that are trusted, and stops at the first that is not', async () => {
    const trusted = ['loopback', '203.0.113.0/24']
    expect(await seen('198.51.100.2, 203.0.113.7', { trusted })).to.equal('198.51.100.2')
    expect(await seen('6.6.6.6, 198.51.100.2, 203.0.113.7', { trusted })).to.equal('198.51.100.2')
    expect(await seen('203.0.113.7', { trusted: '192.0.2.1' })).to.equal('127.0.0.1')
  })

  it('is never what is no address', async () => {
    expect(await seen('unknown')).to.equal('127.0.0.1')
    expect(await seen('<script>, 203.0.113.7', { trusted: ['loopback', '203.0.113.7'] })).to.equal(
      '203.0.113.7',
    )
    expect(await seen(', ,')).to.equal('127.0.0.1')
  })

  it('takes a Unix socket for this machine, as under Passenger and LiteSpeed', async () => {
    const folder = freshFolder()
    expect(await seen('203.0.113.7', {}, join(folder, 'a'))).to.equal('203.0.113.7')
    expect(await seen(null, {}, join(folder, 'b'))).to.equal('null')
  })

  it('is unknown once the client has gone, and not what it claimed', async () => {
    let asked: string | null | undefined
    const addressOf = clientAddress({ trusted: '192.0.2.1' })
    const server = http.createServer((req) => {
      req.socket.once('close', () => {
        asked = addressOf(req)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n')
    await once(server, 'request')
    socket.resetAndDestroy()
    await until(() => asked !== undefined, 'the end of the connection')
    await new Promise((resolve) => server.close(resolve))
    expect(asked).to.equal(null)
  })

  it('refuses proxies that are no addresses', () => {
    for (const trusted of ['everybody', '10.0.0.0/99', '', 7] as never[]) {
      expect(() => clientAddress({ trusted }), String(trusted))
        .to.throw(FileSignalError, /use addresses, ranges/)
        .with.property('code', 'OPTION_INVALID')
    }
  })
})

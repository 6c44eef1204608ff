import { existsSync } from 'node:fs'
import { type Finding, pass } from '../result.js'

/** What tells that a panel or a launcher is there, and what that means for streams. */
const TRACES: readonly { name: string; is: () => boolean }[] = [
  { name: 'Passenger', is: () => 'PhusionPassenger' in globalThis || process.env.IN_PASSENGER === '1' },
  {
    name: 'LiteSpeed (lsnode)',
    is: () => process.env.LSNODE_ROOT !== undefined || process.env.LSNODE_SOCKET !== undefined,
  },
  {
    name: 'CloudLinux Node.js Selector',
    is: () => process.env.CL_APP_ROOT !== undefined || /\/nodevenv\//.test(process.env.VIRTUAL_ENV ?? ''),
  },
  { name: 'CageFS', is: () => existsSync('/var/.cagefs') || existsSync('/etc/cagefs') },
  { name: 'cPanel', is: () => existsSync('/usr/local/cpanel') || existsSync('/var/cpanel') },
  { name: 'Plesk', is: () => existsSync('/usr/local/psa') },
  { name: 'DirectAdmin', is: () => existsSync('/usr/local/directadmin') },
  { name: 'pm2', is: () => process.env.pm_exec_path !== undefined },
]

/** Who has started this process, as far as it has left traces. */
export function checkPanel(): Finding {
  const found = TRACES.filter(({ is }) => is()).map(({ name }) => name)
  const seen = found.length > 0 ? found.join(', ') : 'no traces of a panel or launcher'
  return pass(seen, { found })
}

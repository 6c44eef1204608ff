import { findJest, installJest } from '../loading/jest.js'
import { findBetterSqlite3, findNode, INSTALL, installBetterSqlite3, installNode, NODE_24 } from './nodes.js'

// `npm test` tries the drivers on Node 24 beside this machine's own, and the package under Jest. On a build machine (CI
// is set), or told so, this fetches what that takes; on your own it only names the command.
if (process.env.CI || process.argv.includes('--now')) {
  console.log(installNode(NODE_24))
  console.log(installBetterSqlite3())
  console.log(installJest())
} else if (!findNode(NODE_24) || !findBetterSqlite3() || !findJest()) {
  console.warn(`Tests on Node 24 and under Jest will be skipped. To run them: ${INSTALL}`)
}

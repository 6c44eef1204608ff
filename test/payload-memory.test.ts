import { memory } from '../dist/payload/memory.js'
import { payloadContract, site } from './support/payload-contract.js'

payloadContract('memory', (options) => ({ factory: memory(), site: site(options) }))

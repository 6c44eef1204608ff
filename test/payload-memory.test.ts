import { memory } from '../dist/payload/memory.js'
import { payloadContract, site } from './support/payload-contract.js'

payloadContract('memory', (options, timing) => ({ factory: memory(timing), site: site(options) }))

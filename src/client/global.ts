import { listen } from './sse-client.js'

// For pages whose scripts are no modules: `fileSignal.listen(url)`.
Object.assign(globalThis, { fileSignal: { listen } })

// For cron, or any other process of the account: node order.js "Ann, 12.50"
import { signal } from 'file-signal'

await signal('orders', { from: process.argv[2] ?? 'cron', at: new Date().toISOString() })

import type { Cell } from './cell.js'
import { APACHE_CELLS } from './cells-apache.js'
import { NGINX_CELLS } from './cells-nginx.js'
import { OTHER_CELLS } from './cells-other.js'
import { PASSENGER_CELLS } from './cells-passenger.js'

/** The whole matrix. How to use a cell stands in cell.ts. */
export const cells: readonly Cell[] = [...NGINX_CELLS, ...APACHE_CELLS, ...PASSENGER_CELLS, ...OTHER_CELLS]

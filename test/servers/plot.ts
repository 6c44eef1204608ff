import * as echarts from 'echarts'
import type { Form } from './cell.js'
import { LIMITS } from './measure.js'
import type { Result } from './measure-cell.js'

const WIDTH = 1000
const ROW = 19
const MARGIN = { top: 64, bottom: 46, left: 330, right: 92 }

/** Where a cell stands of which nothing arrived, on the axis of milliseconds. */
const NEVER = 6000

const COLORS: Record<Form, string> = { default: '#5470c6', hostile: '#c0504d', ours: '#2e8b57' }
const NAMES: Record<Form, string> = { default: 'as installed', hostile: 'hostile', ours: 'with our file' }
const FORMS = Object.keys(COLORS) as Form[]

/** Delay per event of each cell, p50 to p95 on a logarithmic axis, as an SVG. */
export function drawPlot(results: readonly Result[]): string {
  const rows = [...results].reverse()
  const height = MARGIN.top + rows.length * ROW + MARGIN.bottom
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: {
      text: 'Delay of events through each server, p50 to p95',
      left: 12,
      top: 8,
      textStyle: { fontSize: 15 },
    },
    legend: {
      top: 34,
      left: 12,
      itemGap: 24,
      itemWidth: 14,
      data: [...FORMS.map((form) => NAMES[form]), 'short responses, slowest'],
    },
    grid: MARGIN,
    xAxis: {
      type: 'log',
      min: 0.3,
      max: 10_000,
      name: 'ms',
      axisLabel: { formatter: (value: number) => (value > 5000 ? '' : String(value)) },
    },
    yAxis: {
      type: 'category',
      data: rows.map(({ cell }) => cell.name),
      axisLabel: { fontSize: 11, interval: 0, width: MARGIN.left - 20, overflow: 'truncate' },
      axisTick: { show: false },
    },
    series: [...FORMS.map((form) => formSeries(form, rows)), shortSeries(rows), limitSeries()],
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg}\n`
}

/** A bar from p50 to p95, drawn as two points and a line between; a cross where nothing came. */
function formSeries(form: Form, rows: readonly Result[]): echarts.SeriesOption {
  const own = rows.flatMap((result, row) => (result.cell.form === form ? [{ result, row }] : []))
  const data = own.flatMap(({ result, row }) => {
    const { p50, p95 } = result.delivery ?? { p50: null, p95: null }
    if (p50 === null || p95 === null)
      return [point(NEVER, row, 'path://M0,0L10,10M10,0L0,10', 'nothing arrived')]
    return [point(p50, row, 'circle'), point(p95, row, 'emptyCircle')]
  })
  const lines = own.flatMap(({ result, row }) => {
    const { p50, p95 } = result.delivery ?? { p50: null, p95: null }
    return p50 === null || p95 === null ? [] : [[{ coord: [p50, row] }, { coord: [p95, row] }]]
  })
  return {
    type: 'scatter',
    name: NAMES[form],
    symbolSize: 8,
    itemStyle: { color: COLORS[form], borderColor: COLORS[form], borderWidth: 1.5 },
    data,
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { type: 'solid', width: 2, color: COLORS[form] },
      data: lines as never,
    },
  }
}

function point(x: number, row: number, symbol: string, text = ''): object {
  const label = { show: text !== '', formatter: text, position: 'right', fontSize: 10, color: '#666' }
  return { value: [x, row], symbol, label }
}

function shortSeries(rows: readonly Result[]): echarts.SeriesOption {
  return {
    type: 'scatter',
    name: 'short responses, slowest',
    symbol: 'diamond',
    symbolSize: 10,
    itemStyle: { color: '#e0a100' },
    data: rows.flatMap(({ short }, row) => (short ? [[Math.max(...short.delays), row]] : [])),
  }
}

function limitSeries(): echarts.SeriesOption {
  return {
    type: 'scatter',
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { type: 'dashed', color: '#999' },
      label: { formatter: `limit of p95: ${LIMITS.p95} ms`, fontSize: 10, color: '#666' },
      data: [{ xAxis: LIMITS.p95 }],
    },
  }
}

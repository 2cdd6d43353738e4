// Decides requests by @cloud-copilot/iam-simulate: node iam_simulate.mjs MODULE < requests.json > decisions.json
import { readFileSync } from 'node:fs'

const { runSimulation } = await import(process.argv[2])
const decisions = []
for (const simulation of JSON.parse(readFileSync(0, 'utf8'))) {
  const { overallResult, errors } = await runSimulation(simulation, {})
  decisions.push(overallResult ?? JSON.stringify(errors))
}
process.stdout.write(JSON.stringify(decisions))

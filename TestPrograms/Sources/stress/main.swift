// Threads that submit small work to several queues, with random dependencies: by binary and timeline
// semaphores, fences, events and what the host signals. The dependencies leave one outcome, which is
// printed as hashes: of all intermediate results of each thread on each queue, and of the buffers at the
// end. A run natively and a run through anything that claims to be transparent print the same.
//
//   stress [--threads T] [--queues Q] [--submits N] [--seed S] [--trace FILE]
//
// Each thread submits N times to each queue. A driver with fewer than Q queues in a device gets as many
// devices as make up for it. --trace writes a line for each task, to find the first that differs.

import CVulkan
import Glibc
import Workbench

@MainActor func main() {
  var numbers = ["threads": 8, "queues": 4, "submits": 200, "seed": 1]
  var trace: String?
  var arguments = CommandLine.arguments.dropFirst()
  while let flag = arguments.popFirst() {
    let name = String(flag.dropFirst(2))
    guard flag.hasPrefix("--"), let value = arguments.popFirst() else { usage() }
    if name == "trace" {
      trace = value
    } else if numbers[name] != nil, let number = Int(value), number > 0 {
      numbers[name] = number
    } else {
      usage()
    }
  }
  let queueCount = numbers["queues"]!
  let probe = Device(queueCount: queueCount)
  let perDevice = probe.queues.count
  probe.destroy()
  let extent = Extent(
    threads: numbers["threads"]!, devices: (queueCount + perDevice - 1) / perDevice,
    queuesPerDevice: perDevice, submits: numbers["submits"]!)
  let run = Run(extent, seed: UInt64(numbers["seed"]!))
  let start = now()
  work(run)
  let seconds = Double(now() - start) / 1e9
  for site in run.sites { check(vkDeviceWaitIdle(site.device.handle), "vkDeviceWaitIdle") }
  report(run)
  if let trace { write(run, to: trace) }
  // Not with the results: it is different each time.
  note(
    "\(run.plan.tasks.count) tasks in \(seconds) s, \(extent.devices) devices with "
      + "\(perDevice) queues")
  for site in run.sites.reversed() { site.device.destroy() }
}

func usage() -> Never {
  fail("usage: stress [--threads T] [--queues Q] [--submits N] [--seed S] [--trace FILE]")
}

/// Runs a worker in each thread.
func work(_ run: Run) {
  var threads: [pthread_t] = []
  for index in 0..<run.extent.threads {
    let argument = Unmanaged.passRetained(Worker(run, thread: index))
    var thread = pthread_t()
    let failed = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue().work()
        return nil
      }, argument.toOpaque())
    if failed != 0 { fail("pthread_create") }
    threads.append(thread)
  }
  for thread in threads { pthread_join(thread, nil) }
}

func report(_ run: Run) {
  var all = Digest()
  for (index, lane) in run.lanes.enumerated() {
    let thread = run.extent.thread(ofLane: index)
    let queue = run.extent.queue(ofLane: index)
    say("\(hexadecimal(lane.digest))  thread \(thread) queue \(queue)")
    all.add(lane.digest)
  }
  for (index, site) in run.sites.enumerated() {
    for (number, cell) in site.cells.enumerated() {
      let digest = hash(cell.read())
      say("\(hexadecimal(digest))  device \(index) cell \(number)")
      all.add(digest)
    }
  }
  say("\(hexadecimal(all.value))  all")
}

func write(_ run: Run, to path: String) {
  guard let file = fopen(path, "we") else { fail("cannot write \(path)") }
  for (index, task) in run.plan.tasks.enumerated() {
    let awaited = run.plan.awaited[task.awaited].map {
      "\($0.lane):\($0.sequence)/\($0.ordering)"
    }
    fputs(
      "\(hexadecimal(run.results[index]))  \(index) lane \(task.lane):\(task.sequence) "
        + "\(task.work) \(task.source)->\(task.target) \(task.feeding) "
        + "behind \(awaited.joined(separator: " "))\n", file)
  }
  fclose(file)
}

main()

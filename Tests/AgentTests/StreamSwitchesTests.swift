import CommandStream
import Testing

@testable import Agent

@Suite("Switches of the stream")
struct StreamSwitchesTests {
  @Test("turn off what they name, and nothing else")
  func names() {
    #expect(!StreamSwitches("").choices.isEmpty)
    #expect(StreamSwitches("no_async,what").choices.compresses)
    let two = StreamSwitches("no_blob_dedup,no_async,no_compression").choices
    #expect(!two.deduplicates && two.sendsDifferences && !two.compresses && two.knowsContent)
    let none = StreamSwitches("no_blob_dedup,no_blob_delta,no_compression,no_content_cache")
    #expect(none.choices.isEmpty)
  }
}

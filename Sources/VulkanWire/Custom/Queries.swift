// What both sides must count alike in the mirror of a query pool.

public import CVulkan

/// Values of one query of a pool; 0 for types whose results only a driver can lay out.
public func queryValueCount(_ info: VkQueryPoolCreateInfo) -> Int {
  switch info.queryType {
  case VK_QUERY_TYPE_OCCLUSION, VK_QUERY_TYPE_TIMESTAMP, VK_QUERY_TYPE_PRIMITIVES_GENERATED_EXT: 1
  case VK_QUERY_TYPE_TRANSFORM_FEEDBACK_STREAM_EXT: 2
  case VK_QUERY_TYPE_PIPELINE_STATISTICS: info.pipelineStatistics.nonzeroBitCount
  default: 0
  }
}

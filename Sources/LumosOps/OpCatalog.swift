/// Every op of the engine, one line each. The completeness test walks this list.
public enum OpCatalog {
  /// All descriptor types.
  public static let all: [any OpDescriptor.Type] = [
    Activation.self,
    Attention.self,
    ChannelAffine.self,
    ChannelNorm.self,
    Concatenate.self,
    Conv3D.self,
    Convert.self,
    Elementwise.self,
    FrameInterleave.self,
    GatedAdd.self,
    LayerNorm.self,
    Linear.self,
    Modulate.self,
    MultiLinear.self,
    Patchify.self,
    PooledQueries.self,
    RelationBias.self,
    RMSNorm.self,
    Rotary.self,
    Slice.self,
    SolverStep.self,
    Unpatchify.self,
    UpsampleNearest.self,
  ]
}

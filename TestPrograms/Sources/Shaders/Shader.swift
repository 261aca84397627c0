/// The programs' shaders, as SPIR-V words; written by `make shaders`.
public enum Shader {}

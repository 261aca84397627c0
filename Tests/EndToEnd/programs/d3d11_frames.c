// Direct3D 11: draws a triangle into a window, some frames with one color after the other, and prints
// what it reads back of each fifth. Compiles with mingw-w64; runs in Wine.

#define COBJMACROS
#include <d3d11.h>
#include <d3dcompiler.h>
#include <stdio.h>
#include <windows.h>

enum { width = 256, height = 192, frames = 60 };

static const char shader[] =
    "cbuffer turn : register(b0) { float4 color; };"
    "float4 vertex(float2 p : POSITION) : SV_POSITION { return float4(p, 0, 1); }"
    "float4 pixel() : SV_TARGET { return color; }";

static void check(HRESULT result, const char *call) {
  if (FAILED(result)) {
    fprintf(stderr, "%s: %08lx\n", call, (unsigned long)result);
    exit(1);
  }
}

static ID3DBlob *compile(const char *entry, const char *target) {
  ID3DBlob *code = NULL, *errors = NULL;
  HRESULT result = D3DCompile(
      shader, sizeof shader - 1, "shader", NULL, NULL, entry, target, 0, 0, &code, &errors);
  if (errors) fprintf(stderr, "%s\n", (char *)ID3D10Blob_GetBufferPointer(errors));
  check(result, "D3DCompile");
  return code;
}

static unsigned hash(const unsigned char *bytes, unsigned pitch) {
  unsigned value = 2166136261u;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width * 4; x++) value = (value ^ bytes[y * pitch + x]) * 16777619u;
  return value;
}

int main(void) {
  WNDCLASSA class = {.lpfnWndProc = DefWindowProcA, .lpszClassName = "frames"};
  RegisterClassA(&class);
  HWND window = CreateWindowA(
      "frames", "frames", WS_POPUP | WS_VISIBLE, 0, 0, width, height, NULL, NULL, NULL, NULL);
  DXGI_SWAP_CHAIN_DESC chain = {
      .BufferDesc = {.Width = width, .Height = height, .Format = DXGI_FORMAT_R8G8B8A8_UNORM},
      .SampleDesc = {1, 0},
      .BufferUsage = DXGI_USAGE_RENDER_TARGET_OUTPUT,
      .BufferCount = 2,
      .OutputWindow = window,
      .Windowed = TRUE,
  };
  IDXGISwapChain *swapchain;
  ID3D11Device *device;
  ID3D11DeviceContext *context;
  check(
      D3D11CreateDeviceAndSwapChain(
          NULL, D3D_DRIVER_TYPE_HARDWARE, NULL, 0, NULL, 0, D3D11_SDK_VERSION, &chain, &swapchain,
          &device, NULL, &context),
      "D3D11CreateDeviceAndSwapChain");
  ID3D11Texture2D *back, *staging;
  check(
      IDXGISwapChain_GetBuffer(swapchain, 0, &IID_ID3D11Texture2D, (void **)&back), "GetBuffer");
  ID3D11RenderTargetView *view;
  check(
      ID3D11Device_CreateRenderTargetView(device, (ID3D11Resource *)back, NULL, &view),
      "CreateRenderTargetView");
  D3D11_TEXTURE2D_DESC texture;
  ID3D11Texture2D_GetDesc(back, &texture);
  texture.Usage = D3D11_USAGE_STAGING;
  texture.BindFlags = 0;
  texture.MiscFlags = 0;
  texture.CPUAccessFlags = D3D11_CPU_ACCESS_READ;
  check(ID3D11Device_CreateTexture2D(device, &texture, NULL, &staging), "CreateTexture2D");

  ID3DBlob *vertex_code = compile("vertex", "vs_4_0"), *pixel_code = compile("pixel", "ps_4_0");
  ID3D11VertexShader *vertex;
  ID3D11PixelShader *pixel;
  ID3D11InputLayout *layout;
  D3D11_INPUT_ELEMENT_DESC element = {
      "POSITION", 0, DXGI_FORMAT_R32G32_FLOAT, 0, 0, D3D11_INPUT_PER_VERTEX_DATA, 0};
  check(
      ID3D11Device_CreateVertexShader(
          device, ID3D10Blob_GetBufferPointer(vertex_code), ID3D10Blob_GetBufferSize(vertex_code),
          NULL, &vertex),
      "CreateVertexShader");
  check(
      ID3D11Device_CreatePixelShader(
          device, ID3D10Blob_GetBufferPointer(pixel_code), ID3D10Blob_GetBufferSize(pixel_code),
          NULL, &pixel),
      "CreatePixelShader");
  check(
      ID3D11Device_CreateInputLayout(
          device, &element, 1, ID3D10Blob_GetBufferPointer(vertex_code),
          ID3D10Blob_GetBufferSize(vertex_code), &layout),
      "CreateInputLayout");
  static const float corners[] = {-0.5f, -0.5f, 0, 0.75f, 0.5f, -0.5f};
  D3D11_BUFFER_DESC buffer = {sizeof corners, D3D11_USAGE_DEFAULT, D3D11_BIND_VERTEX_BUFFER};
  D3D11_SUBRESOURCE_DATA data = {corners};
  ID3D11Buffer *vertices, *turn;
  check(ID3D11Device_CreateBuffer(device, &buffer, &data, &vertices), "CreateBuffer");
  buffer.ByteWidth = 16;
  buffer.BindFlags = D3D11_BIND_CONSTANT_BUFFER;
  check(ID3D11Device_CreateBuffer(device, &buffer, NULL, &turn), "CreateBuffer");

  D3D11_VIEWPORT viewport = {0, 0, width, height, 0, 1};
  unsigned stride = 8, offset = 0;
  for (int frame = 0; frame < frames; frame++) {
    float background[4] = {0, 0, (frame % 8) / 8.0f, 1};
    float color[4] = {1, (frame % 16) / 16.0f, 0, 1};
    ID3D11DeviceContext_UpdateSubresource(
        context, (ID3D11Resource *)turn, 0, NULL, color, 0, 0);
    ID3D11DeviceContext_OMSetRenderTargets(context, 1, &view, NULL);
    ID3D11DeviceContext_ClearRenderTargetView(context, view, background);
    ID3D11DeviceContext_RSSetViewports(context, 1, &viewport);
    ID3D11DeviceContext_IASetInputLayout(context, layout);
    ID3D11DeviceContext_IASetPrimitiveTopology(context, D3D11_PRIMITIVE_TOPOLOGY_TRIANGLELIST);
    ID3D11DeviceContext_IASetVertexBuffers(context, 0, 1, &vertices, &stride, &offset);
    ID3D11DeviceContext_VSSetShader(context, vertex, NULL, 0);
    ID3D11DeviceContext_PSSetShader(context, pixel, NULL, 0);
    ID3D11DeviceContext_PSSetConstantBuffers(context, 0, 1, &turn);
    ID3D11DeviceContext_Draw(context, 3, 0);
    if (frame % 5 == 0) {
      D3D11_MAPPED_SUBRESOURCE mapped;
      ID3D11DeviceContext_CopyResource(
          context, (ID3D11Resource *)staging, (ID3D11Resource *)back);
      check(
          ID3D11DeviceContext_Map(
              context, (ID3D11Resource *)staging, 0, D3D11_MAP_READ, 0, &mapped),
          "Map");
      printf("frame%d %08x\n", frame, hash(mapped.pData, mapped.RowPitch));
      ID3D11DeviceContext_Unmap(context, (ID3D11Resource *)staging, 0);
    }
    check(IDXGISwapChain_Present(swapchain, 0, 0), "Present");
  }
  fflush(stdout);
  // Wine's threads and the window end with the process.
  ExitProcess(0);
}

{
  "targets": [
    {
      "target_name": "millrace",
      "sources": ["<!@(node tools/native-sources.mjs)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"],
      "libraries": ["-pthread"]
    }
  ]
}

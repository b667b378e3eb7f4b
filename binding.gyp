{
  "targets": [
    {
      "target_name": "millrace",
      "sources": ["<!@(node tools/native-sources.mjs)"],
      "include_dirs": ["native"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"],
      "libraries": ["-pthread"]
    }
  ]
}

# Omega: every way to build, try, check and install it. `make help` lists them.
#
#   make deps build      a runnable tree in build/, laid out as `make install` would
#   make demo            the main job, shown: pictures and figures in demo/
#   make test            everything that is checked, from the unit tests to the foreign programs

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := build

PREFIX  ?= /usr/local
DESTDIR ?=
SWIFT   ?= swift
SCRATCH ?= .build

# The injected library is built as Embedded Swift: no runtime, libc alone. `make FREESTANDING=` builds
# it with the static standard library instead, for debugging.
FREESTANDING ?= 1

RELEASE  := $(SWIFT) build -c release --static-swift-stdlib --scratch-path $(SCRATCH)
PROGRAMS := $(SWIFT) build -c release --static-swift-stdlib --package-path TestPrograms \
  --scratch-path $(SCRATCH)/programs
SANITIZED := ^(Wire|Ring|Client|Transport|VulkanReplay|GLReplay|FrameStream|FrameServer|FrameLink|Node|Agent)Tests\.
FORMATTED = git ls-files '*.swift' ':!:*/Generated/*'
# Libraries without a symbol, by the names that programs know OpenGL's by: each depends on
# libGLShim_omega.so beside it. The links are for programs that open them by the names of developers.
GL_NAMES := libGL.so.1 libGLX.so.0 libOpenGL.so.0 libEGL.so.1 libGLESv1_CM.so.1 libGLESv2.so.2
GL_LINKS := libGL.so libGLX.so libOpenGL.so libEGL.so libGLESv1_CM.so libGLESv2.so
# Likewise the names by which libglvnd looks for a vendor's libraries, where programs find them that have
# libglvnd's own libGL.so.1.
GL_VENDOR := libGLX_omega.so.0 libEGL_omega.so.0
TREE     := bin/omega lib/omega/libVkLayer_omega.so lib/omega/bench/flash \
  $(addprefix lib/omega/gl/,libGLShim_omega.so $(GL_NAMES)) $(addprefix lib/,$(GL_VENDOR))
MANIFESTS := $(addprefix share/,vulkan/icd.d/omega_icd.json \
  vulkan/implicit_layer.d/VkLayer_omega_implicit.json \
  vulkan/explicit_layer.d/VkLayer_omega_explicit.json glvnd/egl_vendor.d/05_omega.json)

# What the build needs, and what the tests, the demonstration and the benchmarks run.
BUILD_PACKAGES := build-essential pkg-config git python3 libvulkan-dev khronos-api libxcb1-dev \
  libxcb-shm0-dev libxcb-randr0-dev libx11-dev libx11-xcb-dev libwayland-dev \
  liblz4-dev libzstd-dev libavcodec-dev libavutil-dev spirv-tools
CHECK_PACKAGES := mesa-vulkan-drivers vulkan-tools vulkan-validationlayers gfxreconstruct \
  vkd3d-demos glslang-tools xvfb xauth x11-utils x11-apps weston imagemagick ffmpeg \
  iproute2 python3-venv zstd procps mesa-utils mesa-utils-bin glmark2-x11 glmark2-es2-x11 \
  glmark2-es2-wayland libegl-dev libgles-dev wayland-protocols binutils piglit apitrace virgl-server \
  chromium xdotool

.PHONY: help deps build programs demo test bench soak sanitize fuzz conformance install \
  uninstall generate shaders format check-format check-generated clean

help: ## lists these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

deps: ## installs the Debian packages that are missing; nothing the second time
	@missing=()
	for package in $(BUILD_PACKAGES) $(CHECK_PACKAGES); do
	  status=$$(dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null || true)
	  [[ $$status == installed ]] || missing+=("$$package")
	done
	if (( $${#missing[@]} )); then
	  echo "deps: installing $${missing[*]}"
	  root=(); (( EUID == 0 )) || root=(sudo)
	  "$${root[@]}" apt-get update -q
	  "$${root[@]}" env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -q --no-install-recommends "$${missing[@]}"
	fi
	command -v $(SWIFT) >/dev/null || { \
	  echo "deps: Swift 6.3 is missing; install it from https://www.swift.org/install/linux" >&2; \
	  exit 1; }

build: ## release build; leaves a runnable tree in build/
	@$(RELEASE) --product omega
	if [[ -n "$(FREESTANDING)" ]]; then
	  library=$(SCRATCH)-freestanding
	  OMEGA_FREESTANDING=1 $(SWIFT) build -c release --scratch-path $$library \
	    --product VkLayer_omega
	  OMEGA_FREESTANDING=1 $(SWIFT) build -c release --scratch-path $$library \
	    --product GLShim_omega
	else
	  library=$(SCRATCH)
	  $(RELEASE) --product VkLayer_omega
	  $(RELEASE) --product GLShim_omega
	fi
	install -D -m 755 $(SCRATCH)/release/omega build/bin/omega
	install -D -m 644 $$library/release/libVkLayer_omega.so build/lib/omega/libVkLayer_omega.so
	install -D -m 644 $$library/release/libGLShim_omega.so build/lib/omega/gl/libGLShim_omega.so
	$(PROGRAMS) --product flash
	install -D -m 755 $(SCRATCH)/programs/release/flash build/lib/omega/bench/flash
	strip --strip-unneeded build/bin/omega build/lib/omega/bench/flash build/lib/omega/libVkLayer_omega.so \
	  build/lib/omega/gl/libGLShim_omega.so
	$(MAKE) --no-print-directory gl-names
	for manifest in $(MANIFESTS); do
	  install -D -m 644 "Manifests/$${manifest##*/}" "build/$$manifest"
	done

# Makes a library that depends on one that it is given, and has nothing of its own.
GL_LEAD := $(LD) -shared --no-as-needed --enable-new-dtags --hash-style=gnu -z relro -z now \
  -z noexecstack

.PHONY: gl-names
gl-names: # the libraries that lead to libGLShim_omega.so
	@cd build/lib/omega/gl
	for name in $(GL_NAMES); do
	  $(GL_LEAD) -soname "$$name" -o "$$name" -rpath '$$ORIGIN' libGLShim_omega.so
	done
	for name in $(GL_VENDOR); do
	  $(GL_LEAD) -soname "$$name" -o "../../$$name" -rpath '$$ORIGIN/omega/gl' libGLShim_omega.so
	done
	for link in $(GL_LINKS); do
	  target=$$(ls "$$link".? 2>/dev/null)
	  ln -sf "$$target" "$$link"
	done

programs: ## the programs that the tests and benchmarks run: plain Vulkan, no Omega
	@$(PROGRAMS)

demo: deps build ## an unmodified program drawn by two nodes; pictures and figures in demo/
	@Scripts/demo

test: deps build programs ## every test; ends with swift test's own closing line
	@failed=0
	results=$$(mktemp)
	Tests/EndToEnd/run 2>&1 | tee "$$results" || failed=$$?
	$(SWIFT) test --scratch-path $(SCRATCH) || failed=$$?
	# Once more where it is seen, since the unit tests have written over it.
	grep -A 41 '^failed  ' "$$results" || true
	rm -f "$$results"
	exit $$failed

bench: deps build programs ## the benchmarks against the peers: one table of ratios
	@Benchmarks/run

soak: deps build programs ## flat memory, stress in full, then every test for hours (HOURS=8)
	@failed=0
	Tests/EndToEnd/soak || failed=$$?
	Tests/EndToEnd/run --repeat-for $${HOURS:-8}h || failed=$$?
	exit $$failed

# Leaks are not looked for: a connection of the library and a session of the node live as long as their
# processes, of which the tests are one. `make soak` watches memory grow.
sanitize: ## the unit tests of what runs in threads, under ThreadSanitizer and AddressSanitizer
	@export ASAN_OPTIONS=detect_leaks=0
	for kind in thread address; do
	  $(SWIFT) test --sanitize=$$kind --scratch-path $(SCRATCH)-$$kind --filter '$(SANITIZED)'
	done

fuzz: deps ## everything that reads foreign bytes, under AddressSanitizer (FUZZ_SECONDS=600)
	@Fuzz/run $${FUZZ_SECONDS:-600}
	Fuzz/run $${FUZZ_SECONDS:-600} gl
	Fuzz/run $${FUZZ_SECONDS:-600} frames
	Fuzz/run $${FUZZ_SECONDS:-600} link
	Fuzz/run $${FUZZ_SECONDS:-600} viewers
	# What the test library itself leaves behind is no finding.
	ASAN_OPTIONS=detect_leaks=0 OMEGA_FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(SWIFT) test --sanitize address \
	  --scratch-path $(SCRATCH)/sanitized \
	  --filter 'FuzzTests|RecordingTests|damagedReplies|controlRecords|hostileBytes'

conformance: deps build ## CTS, piglit and programs that draw with OpenGL, where they are there
	@failed=0
	Scripts/conformance || failed=$$?
	xvfb-run -a -s '-screen 0 1280x1024x24 -noreset' Scripts/piglit --count 0 || failed=$$?
	Scripts/gl-programs || failed=$$?
	exit $$failed

install: ## into PREFIX (/usr/local), honouring DESTDIR
	@test -x build/bin/omega || { echo "install: nothing in build/; run 'make build'" >&2; exit 1; }
	for file in $(TREE) $(MANIFESTS); do
	  mode=644; [[ $$file == bin/* || $$file == */bench/* ]] && mode=755
	  install -D -m $$mode "build/$$file" "$(DESTDIR)$(PREFIX)/$$file"
	done
	for link in $(GL_LINKS); do
	  cp -P "build/lib/omega/gl/$$link" "$(DESTDIR)$(PREFIX)/lib/omega/gl/$$link"
	done
	echo "install: into $(DESTDIR)$(PREFIX)"

uninstall: ## removes what install put there
	@for file in $(TREE) $(MANIFESTS); do
	  rm -f "$(DESTDIR)$(PREFIX)/$$file"
	done
	for link in $(GL_LINKS); do rm -f "$(DESTDIR)$(PREFIX)/lib/omega/gl/$$link"; done
	for folder in lib/omega/gl lib/omega/bench lib/omega; do
	  rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(PREFIX)/$$folder" 2>/dev/null || true
	done

generate: deps ## regenerates every Generated/ folder from the registry and the rules
	@$(RELEASE) --product RegistryGenerator
	$(SCRATCH)/release/RegistryGenerator

shaders: ## compiles the test programs' GLSL and writes it as Swift words
	@TestPrograms/Shaders/compile

format: ## formats the hand-written Swift
	@$(FORMATTED) | xargs -r $(SWIFT) format format --in-place --parallel

check-format: ## fails when the hand-written Swift is not formatted
	@$(FORMATTED) | xargs -r $(SWIFT) format lint --strict --parallel

check-generated: deps ## fails when a Generated/ folder is not what the generator writes
	@$(RELEASE) --product RegistryGenerator
	$(SCRATCH)/release/RegistryGenerator --check

clean: ## removes everything that is built
	@rm -rf build demo $(SCRATCH) $(SCRATCH)-freestanding $(SCRATCH)-thread $(SCRATCH)-address

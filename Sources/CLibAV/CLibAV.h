// FFmpeg's libavcodec and libavutil, whose types and constants the video coders use. Nothing is
// linked: the libraries bring some ninety others along, and are opened when a frame is first coded as
// video.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

// What FFmpeg has as macros that Swift does not read.
static const int libav_again = AVERROR(EAGAIN);
static const int libav_end = AVERROR_EOF;
static const int libav_no_memory = AVERROR(ENOMEM);
static const int64_t libav_no_time = AV_NOPTS_VALUE;
static const int libav_closed_gop = (int)AV_CODEC_FLAG_CLOSED_GOP;
/// Names that the libraries of these headers' versions have: structures are laid out alike within one.
#define LIBAV_TEXT(x) LIBAV_QUOTED(x)
#define LIBAV_QUOTED(x) #x
static inline const char *_Nonnull libav_codec_library(void) {
  return "libavcodec.so." LIBAV_TEXT(LIBAVCODEC_VERSION_MAJOR);
}
static inline const char *_Nonnull libav_utility_library(void) {
  return "libavutil.so." LIBAV_TEXT(LIBAVUTIL_VERSION_MAJOR);
}

"""Decoders that a media file may ask for: those that cameras, phones, editors and platforms use.

FFmpeg has some 500, most of them for games and machines of the nineties, seldom read and seldom
mended. A file that asks for one of these is refused before it is decoded.
"""

from __future__ import annotations

VIDEO_DECODERS = frozenset(
    (
        *("h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9"),
        *("mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "vc1", "vc1image", "apv"),
        *("msmpeg4", "msmpeg4v1", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "wmv3image"),
        *("h261", "h263", "h263i", "h263p", "flv", "flashsv", "flashsv2", "theora", "cavs"),
        *("vp3", "vp4", "vp5", "vp6", "vp6a", "vp6f", "vp7", "rv10", "rv20", "rv30", "rv40"),
        *("mjpeg", "mjpegb", "sp5x", "gif", "png", "apng", "webp", "bmp", "tiff", "jpeg2000"),
        *("prores", "prores_raw", "dnxhd", "cfhd", "dvvideo", "ffv1", "ffvhuff", "huffyuv"),
        *("utvideo", "magicyuv", "lagarith", "hap", "dirac", "speedhq", "notchlc", "jpegls"),
        *("rawvideo", "wrapped_avframe", "v210", "v308", "v408", "v410", "r210", "r10k", "y41p"),
        *("yuv4", "qtrle", "rpza", "svq1", "svq3", "cinepak", "indeo3", "indeo4", "indeo5"),
        *("msvideo1", "msrle", "camtasia", "tscc2", "zmbv", "mss1", "mss2", "8bps"),
    )
)
"""Of pictures, by FFmpeg's names."""
AUDIO_DECODERS = frozenset(
    (
        *("aac", "aac_latm", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "mp3adu"),
        *("mp3adufloat", "mp3on4", "mp3on4float", "ac3", "eac3", "dca", "truehd", "mlp"),
        *(
            "opus",
            "libopus",
            "vorbis",
            "flac",
            "alac",
            "speex",
            "amrnb",
            "amrwb",
            "libopencore_amrnb",
        ),
        *(
            "libopencore_amrwb",
            "wmav1",
            "wmav2",
            "wmapro",
            "wmalossless",
            "wmavoice",
            "gsm",
            "gsm_ms",
        ),
        *("cook", "sipr", "ralf", "real_144", "real_288", "nellymoser", "qdm2", "qdmc"),
        *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "g722", "g726", "g726le"),
        *("pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_s8", "pcm_u8", "s302m", "dvaudio"),
        *(
            "pcm_s16be",
            "pcm_s16le",
            "pcm_s24be",
            "pcm_s24le",
            "pcm_s32be",
            "pcm_s32le",
            "pcm_s64le",
        ),
        *("pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_u16be", "pcm_u16le", "qcelp"),
    )
)
"""Of sound, which are asked for the length of a stream alone."""

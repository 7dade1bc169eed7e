"""A host that knows the shared library at run time only: loads it, goes through the ten functions, unloads it.

    python3 host.py path/to/libvozduxan.so.1

The world comes from the environment, see c-tests/CMakeLists.txt.
"""

import ctypes as c
import http.client
import os
import pathlib
import sys
import threading
import time
import urllib.parse


class Config(c.Structure):
    _fields_ = [("storage_path", c.c_char_p), ("cache_max_bytes", c.c_uint64), ("cache_ttl_secs", c.c_uint32),
                ("listen_port", c.c_int), ("log_fn", c.c_void_p), ("log_userdata", c.c_void_p)]


class StreamInfo(c.Structure):
    _fields_ = [("url", c.c_char * 512), ("token", c.c_char * 128), ("file_size", c.c_int64),
                ("mime_type", c.c_char * 64), ("error", c.c_int), ("error_msg", c.c_char * 256)]


class StreamStats(c.Structure):
    _fields_ = [("download_rate_bytes", c.c_int32), ("num_peers", c.c_int32)]


class FileEntry(c.Structure):
    _fields_ = [("name", c.c_char * 512), ("mime", c.c_char * 64), ("size", c.c_int64), ("index", c.c_int)]


class FileList(c.Structure):
    _fields_ = [("files", c.POINTER(FileEntry)), ("count", c.c_int), ("error", c.c_int), ("error_msg", c.c_char * 256)]


LOG = c.CFUNCTYPE(None, c.c_char_p, c.c_void_p)
PROGRESS = c.CFUNCTYPE(None, c.c_float, c.c_char_p, c.c_void_p)

SIGNATURES = {
    "session_create": (c.c_void_p, [c.POINTER(Config)]),
    "session_destroy": (None, [c.c_void_p]),
    "stream_prepare": (StreamInfo, [c.c_void_p, c.c_char_p, c.c_char_p, c.c_size_t, c.c_int, c.c_int, PROGRESS,
                                    c.c_void_p]),
    "stream_notify_position": (None, [c.c_void_p, c.c_char_p, c.c_int64]),
    "stream_release": (None, [c.c_void_p, c.c_char_p]),
    "stream_stats": (StreamStats, [c.c_void_p, c.c_char_p]),
    "list_files": (FileList, [c.c_void_p, c.c_char_p, c.c_char_p, c.c_size_t]),
    "file_list_free": (None, [c.POINTER(FileList)]),
    "session_evict": (None, [c.c_void_p]),
    "session_http_port": (c.c_uint16, [c.c_void_p]),
}


def load(path):
    """The library with every symbol bound at once, as RTLD_NOW asks; ctypes.CDLL alone would be RTLD_NOW too."""
    library = c.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, f"vozduxan_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def get(url, range_=None):
    """Status and body."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", parts.path, headers={"Range": range_} if range_ else {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def original(name):
    """The file's bytes as they were before the swarm had them."""
    source = pathlib.Path(os.environ["VZ_SOURCE"])
    found = [folder / name for folder in [source, *source.iterdir()] if (folder / name).is_file()]
    return found[0].read_bytes()


def threads():
    """Threads of this process, by the system's count."""
    return len(os.listdir("/proc/self/task"))


def story(library, fresh):
    """From create to destroy; `fresh` when nothing is on disk yet."""
    lines = []
    log = LOG(lambda line, _: lines.append(line))
    config = Config(storage_path=os.environ["VZ_STORAGE"].encode(), log_fn=c.cast(log, c.c_void_p))
    session = library.vozduxan_session_create(c.byref(config))
    assert session, "no session"
    assert library.vozduxan_session_http_port(session) != 0

    files = library.vozduxan_list_files(session, os.environ["VZ_MAGNET"].encode(), None, 0)
    assert files.error == 0, files.error_msg
    tracks = [(files.files[at].index, files.files[at].name.decode()) for at in range(files.count)
              if files.files[at].mime.startswith(b"audio/") and files.files[at].size > 0]
    library.vozduxan_file_list_free(c.byref(files))
    assert not files.files and files.count == 0

    shares = []
    caller = threading.get_ident()

    def on_progress(share, status, _):
        assert threading.get_ident() == caller and status
        shares.append(share)

    index, name = tracks[0]
    torrent = pathlib.Path(os.environ["VZ_TORRENT"]).read_bytes()
    told = PROGRESS(on_progress)
    info = library.vozduxan_stream_prepare(session, None, torrent, len(torrent), index, 1, told, None)
    assert info.error == 0, info.error_msg
    assert shares and shares == sorted(shares) and shares[-1] == 1.0, shares
    url, whole = info.url.decode(), original(name)
    assert info.file_size == len(whole)
    library.vozduxan_stream_notify_position(session, info.token, len(whole) // 2)
    assert get(url, f"bytes={len(whole) // 2}-") == (206, whole[len(whole) // 2:])
    assert get(url) == (200, whole)
    peers = library.vozduxan_stream_stats(session, info.token).num_peers
    assert peers > 0 or not fresh, peers
    library.vozduxan_stream_release(session, info.token)
    assert get(url)[0] == 404
    library.vozduxan_session_evict(session)
    library.vozduxan_session_destroy(session)
    assert lines, "log lines came"


def main():
    before = threads()
    library = load(sys.argv[1])
    # Twice: nothing of the first life may be in the way of the second.
    story(library, fresh=True)
    story(library, fresh=False)
    import _ctypes
    _ctypes.dlclose(library._handle)
    # A thread that was joined may stand in the system's list for a moment.
    deadline = time.monotonic() + 20
    while threads() > before:
        assert time.monotonic() < deadline, f"{threads() - before} threads are left after dlclose"
    print("ok")


main()

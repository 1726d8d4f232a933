# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""The state of cases as msgpack, straight from and into the fields of compiled classes. The bytes are those of msgspec."""
cimport cython
from libc.string cimport memcpy, memcmp
from libc.stdlib cimport malloc, realloc, free
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_FromLongLong, PyLong_FromUnsignedLongLong, PyLong_CheckExact, PyLong_AsUnsignedLongLong
from cpython.unicode cimport PyUnicode_DecodeUTF8
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.ref cimport Py_INCREF
cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object u, Py_ssize_t* n) except NULL
    object PyUnicode_New(Py_ssize_t n, Py_UCS4 m)
    void* PyUnicode_DATA(object o)
    Py_ssize_t PyUnicode_GET_LENGTH(object o)

import msgspec
from msgspec import Raw

_other = msgspec.msgpack.Encoder().encode


class Damaged(ValueError):
    """The bytes are not what was packed."""


@cython.final
cdef class Writer:
    def __cinit__(self):
        self.room = 4096
        self.buffer = <char*> malloc(self.room)
        self.size = 0

    def __dealloc__(self):
        free(self.buffer)

    cdef int grow(self, Py_ssize_t more) except -1:
        cdef char* b
        while self.room < self.size + more:
            self.room *= 2
        b = <char*> realloc(self.buffer, self.room)
        if b == NULL:
            raise MemoryError()
        self.buffer = b
        return 0

    cdef int byte(self, int b) except -1:
        if self.size + 1 > self.room:
            self.grow(1)
        self.buffer[self.size] = <char> b
        self.size += 1
        return 0

    cdef int head(self, int b, unsigned long long value, int width) except -1:
        cdef int i
        if self.size + 9 > self.room:
            self.grow(9)
        self.buffer[self.size] = <char> b
        self.size += 1
        for i in range(width):
            self.buffer[self.size + i] = <char> (value >> (8 * (width - 1 - i)))
        self.size += width
        return 0

    cdef int raw(self, const char* data, Py_ssize_t n) except -1:
        if self.size + n > self.room:
            self.grow(n)
        memcpy(self.buffer + self.size, data, n)
        self.size += n
        return 0

    cdef int array(self, Py_ssize_t n) except -1:
        if n < 16:
            return self.byte(0x90 | <int> n)
        return self.head(0xDC, n, 2) if n < 65536 else self.head(0xDD, n, 4)

    cdef int truth(self, bint value) except -1:
        return self.byte(0xC3 if value else 0xC2)

    cdef int slice(self, bytes held, Py_ssize_t since, Py_ssize_t until) except -1:
        """What is packed already."""
        return self.raw(PyBytes_AS_STRING(held) + since, until - since)

    cdef int put_text(self, str value) except -1:
        cdef Py_ssize_t n
        cdef const char* data
        if value is None:
            return self.byte(0xC0)
        data = PyUnicode_AsUTF8AndSize(value, &n)
        if n < 32:
            self.byte(0xA0 | <int> n)
        elif n < 256:
            self.head(0xD9, n, 1)
        elif n < 65536:
            self.head(0xDA, n, 2)
        else:
            self.head(0xDB, n, 4)
        return self.raw(data, n)

    cdef int put(self, object value) except -1:
        cdef Py_ssize_t n
        cdef const char* data
        cdef long long x
        cdef int overflow = 0
        if value is None:
            return self.byte(0xC0)
        kind = type(value)
        if kind is int:
            x = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                return self.head(0xCF, PyLong_AsUnsignedLongLong(value), 8)
            if x >= 0:
                if x < 128:
                    return self.byte(<int> x)
                if x < 256:
                    return self.head(0xCC, x, 1)
                if x < 65536:
                    return self.head(0xCD, x, 2)
                return self.head(0xCE, x, 4) if x < 4294967296LL else self.head(0xCF, x, 8)
            if x >= -32:
                return self.byte(<int> (x & 0xFF))
            if x >= -128:
                return self.head(0xD0, <unsigned long long> x, 1)
            if x >= -32768:
                return self.head(0xD1, <unsigned long long> x, 2)
            return self.head(0xD2, <unsigned long long> x, 4) if x >= -2147483648LL else self.head(0xD3, <unsigned long long> x, 8)
        if kind is str:
            return self.put_text(<str> value)
        if kind is bytes:
            n = PyBytes_GET_SIZE(value)
            if n < 256:
                self.head(0xC4, n, 1)
            elif n < 65536:
                self.head(0xC5, n, 2)
            else:
                self.head(0xC6, n, 4)
            return self.raw(PyBytes_AS_STRING(value), n)
        if kind is bool:
            return self.byte(0xC3 if value is True else 0xC2)
        if isinstance(value, Packed):
            return (<Packed> value).pack(self)
        if kind is tuple:
            self.array(len(<tuple> value))
            for one in <tuple> value:
                self.put(one)
            return 0
        if kind is list:
            self.array(len(<list> value))
            for one in <list> value:
                self.put(one)
            return 0
        if kind is dict:
            n = len(<dict> value)
            if n < 16:
                self.byte(0x80 | <int> n)
            elif n < 65536:
                self.head(0xDE, n, 2)
            else:
                self.head(0xDF, n, 4)
            for key, one in (<dict> value).items():
                self.put(key)
                self.put(one)
            return 0
        cdef bytes packed = bytes(value) if kind is Raw else _other(value)
        return self.raw(PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))


@cython.final
@cython.freelist(4)
@cython.no_gc
cdef class Reader:
    cdef int need(self, Py_ssize_t n) except -1:
        if self.end - self.at < n:
            raise Damaged("it ends too early")
        return 0

    cdef unsigned long long number(self, int width) except? 0:
        cdef unsigned long long x = 0
        cdef int i
        self.need(width)
        for i in range(width):
            x = (x << 8) | self.at[i]
        self.at += width
        return x

    cdef int byte(self) except -1:
        self.need(1)
        self.at += 1
        return self.at[-1]

    cdef Py_ssize_t array(self) except -1:
        cdef int b = self.byte()
        if b & 0xF0 == 0x90:
            return b & 0x0F
        if b == 0xDC:
            return self.number(2)
        if b == 0xDD:
            return self.number(4)
        raise Damaged("no array")

    cdef Py_ssize_t mapping(self) except -1:
        cdef int b = self.byte()
        if b & 0xF0 == 0x80:
            return b & 0x0F
        if b == 0xDE:
            return self.number(2)
        if b == 0xDF:
            return self.number(4)
        raise Damaged("no map")

    cdef bint nil(self) except -1:
        self.need(1)
        if self.at[0] == 0xC0:
            self.at += 1
            return True
        return False

    cdef bint truth(self) except -1:
        cdef int b = self.byte()
        if b == 0xC3:
            return True
        if b == 0xC2:
            return False
        raise Damaged("no truth value")

    cdef object get(self):
        cdef int b
        cdef Py_ssize_t n, i
        b = self.byte()
        if b < 0x80:
            return b
        if b >= 0xE0:
            return b - 256
        if b == 0xC0:
            return None
        if b & 0xE0 == 0xA0:
            return text(self, b & 0x1F)
        if b & 0xF0 == 0x90:
            return row(self, b & 0x0F)
        if b == 0xCF:
            return PyLong_FromUnsignedLongLong(self.number(8))
        if b == 0xCE:
            return PyLong_FromUnsignedLongLong(self.number(4))
        if b == 0xCD:
            return <int> self.number(2)
        if b == 0xCC:
            return <int> self.number(1)
        if b == 0xC4:
            return piece(self, self.number(1))
        if b == 0xC5:
            return piece(self, self.number(2))
        if b == 0xC6:
            return piece(self, self.number(4))
        if b == 0xD9:
            return text(self, self.number(1))
        if b == 0xDA:
            return text(self, self.number(2))
        if b == 0xDB:
            return text(self, self.number(4))
        if b == 0xC2:
            return False
        if b == 0xC3:
            return True
        if b == 0xD0:
            return <int> <signed char> self.number(1)
        if b == 0xD1:
            return <int> <short> self.number(2)
        if b == 0xD2:
            return <int> self.number(4)
        if b == 0xD3:
            return PyLong_FromLongLong(<long long> self.number(8))
        if b == 0xDC:
            return row(self, self.number(2))
        if b == 0xDD:
            return row(self, self.number(4))
        if b & 0xF0 == 0x80:
            return pairs(self, b & 0x0F)
        if b == 0xDE:
            return pairs(self, self.number(2))
        raise Damaged(f"the byte {b}")

    cdef object get_list(self):
        cdef Py_ssize_t n = self.array(), i
        cdef list found = []
        for i in range(n):
            found.append(self.get())
        return found

    cdef int skip(self) except -1:
        """Past one value."""
        cdef Py_ssize_t left = 1, n
        cdef int b
        while left > 0:
            left -= 1
            b = self.byte()
            n = 0
            if b < 0x80 or b >= 0xE0 or b == 0xC0 or b == 0xC2 or b == 0xC3:
                continue
            elif b < 0x90:
                left += 2 * (b & 0x0F)
            elif b < 0xA0:
                left += b & 0x0F
            elif b < 0xC0:
                n = b & 0x1F
            elif b == 0xC4 or b == 0xD9:
                n = self.number(1)
            elif b == 0xC5 or b == 0xDA:
                n = self.number(2)
            elif b == 0xC6 or b == 0xDB:
                n = self.number(4)
            elif b == 0xCC or b == 0xD0:
                n = 1
            elif b == 0xCD or b == 0xD1:
                n = 2
            elif b == 0xCE or b == 0xD2:
                n = 4
            elif b == 0xCF or b == 0xD3:
                n = 8
            elif b == 0xDC:
                left += self.number(2)
            elif b == 0xDD:
                left += self.number(4)
            elif b == 0xDE:
                left += 2 * self.number(2)
            elif b == 0xDF:
                left += 2 * self.number(4)
            else:
                raise Damaged(f"the byte {b}")
            self.need(n)
            self.at += n
        return 0

    cdef Py_ssize_t place(self) except -1:
        """Where it stands in what it reads."""
        return self.at - <const unsigned char*> PyBytes_AS_STRING(self.held)

    cdef bytes slice(self):
        cdef const unsigned char* begin = self.at
        self.skip()
        return PyBytes_FromStringAndSize(<const char*> begin, self.at - begin)


cdef enum:
    SHORT = 24
    KNOWN = 2048
cdef list _known = [None] * KNOWN
"""Names that were read last: departments, calendars and norms come again and again. All are ASCII."""


cdef Reader reader_at(bytes held, Py_ssize_t at):
    """Reads ``held`` from there on."""
    cdef Reader r = Reader.__new__(Reader)
    r.held = held
    r.at = <const unsigned char*> PyBytes_AS_STRING(held) + at
    r.end = <const unsigned char*> PyBytes_AS_STRING(held) + PyBytes_GET_SIZE(held)
    return r


cdef object text(Reader r, Py_ssize_t n):
    cdef const unsigned char* p = r.at
    cdef Py_ssize_t i
    r.need(n)
    r.at += n
    if n == 0:
        return ""
    cdef unsigned int h = 2166136261U
    if n <= SHORT:
        for i in range(n):
            h = (h ^ p[i]) * 16777619U
        h &= KNOWN - 1
        u = _known[h]
        if u is not None and PyUnicode_GET_LENGTH(u) == n and memcmp(PyUnicode_DATA(u), p, n) == 0:
            return u
    for i in range(n):
        if p[i] >= 128:
            return PyUnicode_DecodeUTF8(<const char*> p, n, NULL)
    u = PyUnicode_New(n, 127)
    memcpy(PyUnicode_DATA(u), p, n)
    if n <= SHORT:
        _known[h] = u
    return u


cdef object piece(Reader r, Py_ssize_t n):
    r.need(n)
    r.at += n
    return PyBytes_FromStringAndSize(<const char*> r.at - n, n)


cdef object row(Reader r, Py_ssize_t n):
    cdef Py_ssize_t i
    if n == 0:
        return ()
    r.need(n)
    cdef tuple found = PyTuple_New(n)
    for i in range(n):
        one = r.get()
        Py_INCREF(one)
        PyTuple_SET_ITEM(found, i, one)
    return found


cdef object pairs(Reader r, Py_ssize_t n):
    cdef Py_ssize_t i
    cdef dict found = {}
    for i in range(n):
        key = r.get()
        found[key] = r.get()
    return found


cdef class Packed:
    cdef int pack(self, Writer w) except -1:
        raise NotImplementedError

    cdef int unpack(self, Reader r) except -1:
        raise NotImplementedError

    def __replace__(self, **fields):
        return replaced(self, **fields)


cdef Writer _writer = Writer()


cdef class Encoder:
    cpdef bytes encode(self, value):
        if not isinstance(value, (Packed, list, tuple)):
            return _other(value)
        _writer.size = 0
        _writer.put(value)
        return PyBytes_FromStringAndSize(_writer.buffer, _writer.size)


cdef class Decoder:
    def __init__(self, kind):
        self.many = getattr(kind, "__origin__", None) is list
        if self.many:
            kind = kind.__args__[0]
        self.kind = kind
        self.packed = isinstance(kind, type) and issubclass(kind, Packed)
        self.other = None if self.packed else msgspec.msgpack.Decoder(kind).decode

    cpdef decode(self, raw):
        if not self.packed:
            return self.other(raw)
        cdef bytes held = raw if type(raw) is bytes else bytes(raw)
        cdef Reader r = Reader()
        r.held = held
        r.at = <const unsigned char*> PyBytes_AS_STRING(held)
        r.end = r.at + PyBytes_GET_SIZE(held)
        cdef Packed found
        cdef Py_ssize_t i
        cdef list all
        if self.many:
            all = []
            for i in range(r.array()):
                found = self.kind.__new__(self.kind)
                found.unpack(r)
                all.append(found)
            return all
        found = self.kind.__new__(self.kind)
        found.unpack(r)
        return found


def replaced(value, **fields):
    """Another one, with other values in some fields."""
    if not isinstance(value, Packed):
        return msgspec.structs.replace(value, **fields)
    other = value.__copy__()
    for name, one in fields.items():
        setattr(other, name, one)
    return other

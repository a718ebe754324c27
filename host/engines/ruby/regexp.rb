# Regexp and MatchData over the functions of regexp.c, and what String does with a Regexp.
class Regexp
  IGNORECASE = 1; EXTENDED = 2; MULTILINE = 4
  POSIX = {"alpha" => "\\p{L}", "digit" => "0-9", "alnum" => "\\p{L}0-9", "space" => "\\s", "upper" => "\\p{Lu}", "lower" => "\\p{Ll}", "punct" => "!-\\/:-@\\[-`{-~", "xdigit" => "0-9a-fA-F", "word" => "\\w"}
  class << self
    def compile(s, o = nil, e = nil); new(s, o); end
    def escape(s)
      s.to_s.each_char.map { |c| case c when "\n" then "\\n" when "\t" then "\\t" when "\r" then "\\r" when " " then "\\ " else ".*?+^$|\\()[]{}-/#".index(c) ? "\\" + c : c end }.join
    end
    alias quote escape
    def union(*a) new(a.flatten.map { |x| x.is_a?(Regexp) ? x.source : escape(x) }.join("|")); end
    def last_match(i = nil); i && $~ ? $~[i] : $~; end
    def set(m)
      Q.set_global(:"$~", m)
      i = 1
      while i < 10; Q.set_global(NTH[i], m ? m[i] : nil); i += 1; end
      m
    end
  end
  NTH = (0..9).map { |i| :"$#{i}" }
  attr_reader :source, :options
  def initialize(s, o = nil)
    if s.is_a?(Regexp) then o = s.options; s = s.source end
    @source = s
    @options = case o
    when Integer then o
    when String then (o.include?("i") ? 1 : 0) | (o.include?("x") ? 2 : 0) | (o.include?("m") ? 4 : 0)
    when nil, false then 0
    else 1 end
    @code = Q.re_compile(translate(s), 4 | 16 | (@options & 1 == 1 ? 2 : 0) | (@options & 4 == 4 ? 8 : 0))
  end
  # from Ruby's dialect to JavaScript's
  def translate(s)
    out = ""; i = 0; cls = 0; x = @options & 2 == 2; ch = s.chars; n = ch.size
    while i < n
      c = ch[i]
      if c == "\\"
        d = ch[i + 1]; i += 2
        if (d == "p" || d == "P" || d == "u" || d == "k") && (ch[i] == "{" || ch[i] == "<")
          j = i; j += 1 until ch[j].nil? || ch[j] == "}" || ch[j] == ">"
          out << "\\" << d << ch[i..j].join; i = j + 1; next
        end
        out << case d
        when "A" then "(?<![\\s\\S])"
        when "z" then "(?![\\s\\S])"
        when "Z" then "(?=\\n?(?![\\s\\S]))"
        when "h" then cls > 0 ? "0-9a-fA-F" : "[0-9a-fA-F]"
        when "H" then "[^0-9a-fA-F]"
        when "R" then "(?:\\r\\n|\\n|\\r)"
        when "e" then "\\x1b"
        when "a" then "\\x07"
        when " ", "#", "'", "\"", "-", "_", ":", ";", "<", ">", "=", "!", "%", "&", "~", "`", "@", ",", "\n"
          d == "-" && cls > 0 ? "\\-" : d
        else "\\#{d}" end
        next
      elsif cls > 0
        if c == "[" && ch[i + 1] == ":" && (e = s.index(":]", i))
          name = s[i + 2...e]; neg = name[0] == "^"; name = name[1..-1] if neg
          out << (POSIX[name] || ""); i = e + 2; next
        elsif c == "[" then out << "\\["; i += 1; next
        elsif c == "]" then cls -= 1
        end
      elsif c == "[" then cls = 1
      elsif x && (c == " " || c == "\n" || c == "\t") then i += 1; next
      elsif x && c == "#" then i += 1 while i < n && ch[i] != "\n"; next
      elsif c == "(" && ch[i + 1] == "?" && ch[i + 2] == ">" then out << "(?:"; i += 3; next
      elsif c == "{" && !quantifier?(ch, i) then out << "\\{"; i += 1; next
      elsif c == "}" && !out.reverse.index("{") then out << "\\}"; i += 1; next
      end
      out << c; i += 1
    end
    out
  end
  def quantifier?(ch, i)
    j = i + 1
    return false unless ch[j] && ch[j] >= "0" && ch[j] <= "9" || ch[j] == ","
    j += 1 while ch[j] && (ch[j] >= "0" && ch[j] <= "9" || ch[j] == ",")
    ch[j] == "}"
  end
  def names; Q.re_names(@code).compact.uniq; end
  def __exec(s, at); r = Q.re_exec(@code, s, at); r && MatchData.new(self, s, r, @code); end
  def match(s, pos = 0, &b)
    return Regexp.set(nil) if s.nil?
    m = Regexp.set(__exec(s.to_s, pos == 0 ? 0 : s.to_s[0, pos].bytesize))
    m && b ? b.call(m) : m
  end
  def match?(s, pos = 0); !s.nil? && !Q.re_exec(@code, s.to_s, pos == 0 ? 0 : s.to_s[0, pos].bytesize).nil?; end
  def =~(s); m = match(s); m && m.begin(0); end
  def ===(s); (s.is_a?(String) || s.is_a?(Symbol)) && !match(s.to_s).nil?; end
  def ==(o); o.is_a?(Regexp) && source == o.source && options == o.options; end
  alias eql? ==
  def hash; @source.hash; end
  def to_s; "(?#{options & 4 > 0 ? "m" : ""}#{options & 1 > 0 ? "i" : ""}:#{source})"; end
  def inspect; "/#{source}/#{options & 4 > 0 ? "m" : ""}#{options & 1 > 0 ? "i" : ""}#{options & 2 > 0 ? "x" : ""}"; end
end
class MatchData
  attr_reader :regexp, :string
  def initialize(re, s, r, code); @regexp = re; @string = s; @r = r; @code = code; end
  def __b; @r[0]; end
  def __e; @r[1]; end
  def __group(k)
    return k if k.is_a?(Integer)
    i = Q.re_names(@code).rindex(k.to_s)
    raise IndexError, "undefined group name reference: #{k}" unless i
    i + 1
  end
  def [](k, *rest)
    return to_a[k, *rest] if !rest.empty? || k.is_a?(Range)
    k = __group(k); k += @r.size / 2 if k < 0
    @r[k * 2] && @string.byteslice(@r[k * 2], @r[k * 2 + 1] - @r[k * 2])
  end
  def to_a; (0...@r.size / 2).map { |i| self[i] }; end
  def captures; to_a[1..-1]; end
  def names; @regexp.names; end
  def named_captures; names.map { |n| [n, self[n]] }.to_h; end
  def begin(k); k = __group(k); @r[k * 2] && @string.byteslice(0, @r[k * 2]).length; end
  def end(k); k = __group(k); @r[k * 2] && @string.byteslice(0, @r[k * 2 + 1]).length; end
  def offset(k); [self.begin(k), self.end(k)]; end
  def pre_match; @string.byteslice(0, @r[0]); end
  def post_match; @string.byteslice(@r[1], @string.bytesize - @r[1]); end
  def size; @r.size / 2; end
  alias length size
  def values_at(*a); a.map { |i| self[i] }; end
  def to_s; self[0]; end
  def inspect; "#<MatchData #{self[0].inspect}>"; end
end
class String
  alias __gsub gsub; alias __sub sub; alias __split split; alias __aref []; alias __index index; alias __aset []=; alias __slice! slice!; alias __start start_with?; alias __partition partition
  def =~(re); re =~ self; end
  def match(re, pos = 0, &b); (re.is_a?(Regexp) ? re : Regexp.new(re)).match(self, pos, &b); end
  def match?(re, pos = 0); (re.is_a?(Regexp) ? re : Regexp.new(re)).match?(self, pos); end
  def __each_match(re)
    at = 0
    while at <= bytesize && (m = re.__exec(self, at))
      yield m
      at = m.__e
      if m.__e == m.__b
        w = byteslice(at, 4); at += w && !w.empty? ? w.__aref(0).bytesize : 1
      end
    end
  end
  def __template(t, m)
    return t unless t.__index("\\")
    out = ""; ch = t.chars; i = 0
    while i < ch.size
      if ch[i] == "\\" && (d = ch[i + 1])
        if d >= "0" && d <= "9" then out << m[d.to_i].to_s; i += 2; next
        elsif d == "&" then out << m[0]; i += 2; next
        elsif d == "k" && ch[i + 2] == "<" then j = i + 3; j += 1 while ch[j] && ch[j] != ">"; out << m[ch[i + 3...j].join].to_s; i = j + 1; next
        elsif d == "\\" then out << "\\"; i += 2; next end
      end
      out << ch[i]; i += 1
    end
    out
  end
  def __replace(re, rep, all, blk)
    out = ""; at = 0; last = nil
    __each_match(re) do |m|
      last = Regexp.set(m)
      out << byteslice(at, m.__b - at)
      out << (rep.nil? ? blk.call(m[0]).to_s : rep.is_a?(Hash) ? rep[m[0]].to_s : __template(rep.to_s, m))
      at = m.__e
      break unless all
    end
    Regexp.set(last)
    out << byteslice(at, bytesize - at)
  end
  def gsub(p, r = nil, &b)
    return __replace(p, r, true, b) if p.is_a?(Regexp)
    return __replace(Regexp.new(Regexp.escape(p)), r, true, b) if r.is_a?(Hash)
    r.nil? ? __gsub(p, &b) : __gsub(p, r)
  end
  def sub(p, r = nil, &b)
    return __replace(p, r, false, b) if p.is_a?(Regexp)
    r.nil? ? __sub(p, &b) : __sub(p, r)
  end
  def gsub!(p, r = nil, &b); n = gsub(p, r, &b); n == self ? nil : replace(n); end
  def sub!(p, r = nil, &b); n = sub(p, r, &b); n == self ? nil : replace(n); end
  def scan(p, &b)
    p = Regexp.new(Regexp.escape(p)) unless p.is_a?(Regexp)
    out = []
    __each_match(p) { |m| Regexp.set(m); v = m.size > 1 ? m.captures : m[0]; b ? b.call(v) : out << v }
    b ? self : out
  end
  def split(p = nil, lim = 0)
    return (lim == 0 ? __split(p) : __split(p, lim)) unless p.is_a?(Regexp)
    out = []; at = 0
    __each_match(p) do |m|
      break if lim > 0 && out.size >= lim - 1
      next if m.__e == m.__b && (m.__b == at || m.__b >= bytesize)
      out << byteslice(at, m.__b - at); out.concat(m.captures); at = m.__e
    end
    out << byteslice(at, bytesize - at)
    if lim == 0 then out.pop while !out.empty? && out[-1] == "" end
    out
  end
  def [](*a)
    return __aref(*a) unless a[0].is_a?(Regexp)
    m = a[0].match(self); m && m[a[1] || 0]
  end
  alias slice []
  def []=(*a)
    return __aset(*a) unless a[0].is_a?(Regexp)
    m = a[0].match(self); raise IndexError, "regexp not matched" unless m
    replace(m.pre_match + a[-1] + m.post_match); a[-1]
  end
  def index(p, pos = 0)
    return __index(p, pos) unless p.is_a?(Regexp)
    m = p.match(self, pos); m && m.begin(0)
  end
  def slice!(*a)
    return __slice!(*a) unless a[0].is_a?(Regexp)
    m = a[0].match(self); return nil unless m
    replace(m.pre_match + m.post_match); m[0]
  end
  def start_with?(*a); a.any? { |p| p.is_a?(Regexp) ? (m = p.match(self)) && m.__b == 0 : __start(p) }; end
  def partition(p)
    return __partition(p) unless p.is_a?(Regexp)
    m = p.match(self); m ? [m.pre_match, m[0], m.post_match] : [self, "", ""]
  end
end
class Symbol
  def =~(re); to_s =~ re; end
  def match?(re); to_s.match?(re); end
end
class NilClass
  def =~(re); nil; end
end
module Enumerable
  def grep(p, &b); r = []; each { |x| r << (b ? b.call(x) : x) if p === x }; r; end
end

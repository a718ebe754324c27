# What CRuby's core has and mruby lacks.
class Integer
  def even?; self % 2 == 0; end unless method_defined?(:even?)
  def odd?; self % 2 != 0; end unless method_defined?(:odd?)
  def pred; self - 1; end unless method_defined?(:pred)
  def digits(b = 10); n = abs; r = []; begin; r << n % b; n /= b; end while n > 0; r; end unless method_defined?(:digits)
  def ord; self; end unless method_defined?(:ord)
end
class Array
  def sum(init = 0, &b); each { |x| init += b ? b.call(x) : x }; init; end unless method_defined?(:sum)
end
class Time
  DAYS = %w[Sunday Monday Tuesday Wednesday Thursday Friday Saturday]
  MONTHS = %w[January February March April May June July August September October November December]
  def strftime(f)
    out = ""; i = 0; ch = f.chars
    while i < ch.size
      c = ch[i]; i += 1
      if c != "%" then out << c; next end
      pad = true
      if ch[i] == "-" then pad = false; i += 1 end
      if ch[i] == "3" && ch[i + 1] == "N" then i += 1 end
      d = ch[i]; i += 1
      n2 = ->(n) { pad ? "%02d" % n : n.to_s }
      out << case d
      when "Y" then year.to_s
      when "m" then n2.call(month)
      when "d" then n2.call(day)
      when "e" then "%2d" % day
      when "H" then n2.call(hour)
      when "I" then n2.call((hour + 11) % 12 + 1)
      when "M" then n2.call(min)
      when "S" then n2.call(sec)
      when "L", "N" then "%03d" % (usec / 1000)
      when "y" then n2.call(year % 100)
      when "j" then "%03d" % yday
      when "p" then hour < 12 ? "AM" : "PM"
      when "P" then hour < 12 ? "am" : "pm"
      when "A" then DAYS[wday]
      when "a" then DAYS[wday][0, 3]
      when "B" then MONTHS[month - 1]
      when "b", "h" then MONTHS[month - 1][0, 3]
      when "u" then (wday == 0 ? 7 : wday).to_s
      when "w" then wday.to_s
      when "s" then to_i.to_s
      when "F" then strftime("%Y-%m-%d")
      when "T", "X" then strftime("%H:%M:%S")
      when "R" then strftime("%H:%M")
      when "D", "x" then strftime("%m/%d/%y")
      when "c" then strftime("%a %b %e %H:%M:%S %Y")
      when "z" then "+0000"
      when "Z" then "UTC"
      when "%" then "%"
      else "%" + d.to_s end
    end
    out
  end
  def iso8601; strftime("%Y-%m-%dT%H:%M:%SZ"); end
end
class Numeric
  def seconds; self; end
  def minutes; self * 60; end
  def hours; self * 3600; end
  def days; self * 86400; end
  def weeks; self * 604800; end
  def from_now; Time.now + self; end
  def ago; Time.now - self; end
  alias second seconds; alias minute minutes; alias hour hours; alias day days; alias week weeks
end
class Integer
  def integer?; true; end
  def fdiv(o); to_f / o; end
  def gcd(o); a = abs; b = o.abs; a, b = b, a % b while b > 0; a; end
  def lcm(o); self == 0 || o == 0 ? 0 : (self / gcd(o) * o).abs; end
  def bit_length; n = self < 0 ? ~self : self; r = 0; while n > 0; n >>= 1; r += 1; end; r; end
end
class Float
  def integer?; false; end
  def fdiv(o); self / o; end
end
class Symbol
  def start_with?(*a); to_s.start_with?(*a); end
  def end_with?(*a); to_s.end_with?(*a); end
  def [](*a); to_s[*a]; end
end
class String
  def ascii_only?; bytes.all? { |b| b < 128 }; end
  def encoding; "UTF-8"; end
end
class Array
  def sort_by!(&b); replace(sort_by(&b)); end
  def to_set; Set.new(self); end
end
module Enumerable
  def grep_v(p, &b); r = []; each { |x| r << (b ? b.call(x) : x) unless p === x }; r; end
  def slice_when(&b)
    r = []; last = nil; first = true
    each { |x| if first then r << [x]; first = false elsif b.call(last, x) then r << [x] else r[-1] << x end; last = x }
    r.each
  end
  def chunk_while(&b); slice_when { |x, y| !b.call(x, y) }; end
end
class Range
  def step(n, &b)
    r = []; x = self.begin; l = self.end
    while exclude_end? ? x < l : x <= l; r << x; x += n; end
    b ? (r.each(&b); self) : r.each
  end
  alias % step
end
class Time
  def utc_offset; 0; end
  def nsec; usec * 1000; end
  def round(*) Time.at((to_f).round); end
end
class Exception
  def full_message(*) "#{backtrace ? backtrace[0].to_s + ": " : ""}#{message} (#{self.class})"; end
end
module Kernel
  def public_send(n, *a, **k, &b); k.empty? ? __send__(n, *a, &b) : __send__(n, *a, **k, &b); end
end
